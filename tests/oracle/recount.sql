-- What holds of a member at a clock, recounted from the accepted events (RULES 2 to 4).
--
-- Given: the tables event, line, refund_line and consent (one row per accepted event, line, refunded line and
-- statement), and probe (who is asked about, up to which position of the log, and at which clock).  The
-- parameters of a rule set come through the macros of recount.py.

CREATE OR REPLACE TABLE seen AS
SELECT p.probe, p.clock, e.* FROM probe p JOIN event e ON e.brand = p.brand AND e.who = p.who AND e.position <= p.upto;

-- Orders: of each status the highest version, of each order the highest version that is no refund.
CREATE OR REPLACE TABLE order_head AS
SELECT probe, order_id, arg_max(status, version) AS status, arg_max(total, version) AS total, arg_max(currency, version) AS currency
FROM seen WHERE kind = 'order' AND status <> 'refunded' GROUP BY probe, order_id;

CREATE OR REPLACE TABLE order_refunded AS
SELECT s.probe, s.order_id, sum(s.refund) AS refunded
FROM seen s JOIN order_head h ON h.probe = s.probe AND h.order_id = s.order_id AND h.currency = s.currency
WHERE s.kind = 'order' AND s.status = 'refunded' GROUP BY s.probe, s.order_id;

CREATE OR REPLACE TABLE order_now AS
SELECT h.probe, h.order_id, coalesce(r.refunded, 0) AS refunded,
       h.status = 'cancelled' OR (r.refunded IS NOT NULL AND r.refunded >= h.total) AS gone
FROM order_head h LEFT JOIN order_refunded r USING (probe, order_id);

CREATE OR REPLACE TABLE order_status AS
SELECT s.probe, s.clock, s.order_id, s.status, max(s.version) AS version, arg_max(s.position, s.version) AS position,
       arg_max(s.t, s.version) AS t, arg_max(s.currency, s.version) AS currency, arg_max(s.total, s.version) AS total,
       any_value(n.gone) AS gone, greatest(0, arg_max(s.total, s.version) - any_value(n.refunded)) AS net
FROM seen s JOIN order_now n USING (probe, order_id)
WHERE s.kind = 'order' AND s.status <> 'refunded' GROUP BY s.probe, s.clock, s.order_id, s.status;

-- Lines that refunds took back wholly.
CREATE OR REPLACE TABLE line_refunded AS
SELECT s.probe, s.order_id, l.line_id, sum(l.quantity) AS quantity
FROM seen s JOIN refund_line l ON l.position = s.position GROUP BY s.probe, s.order_id, l.line_id;

-- Messages that were recalled.
CREATE OR REPLACE TABLE recalled AS
SELECT DISTINCT probe, conversation, recalls AS message, direction FROM seen WHERE kind = 'chat' AND msgtype = 'recall';

-- What counts: one row per event that does.
CREATE OR REPLACE TABLE counted AS
SELECT probe, clock, position, kind AS name, t, NULL::VARCHAR AS currency, NULL::HUGEINT AS net, NULL::VARCHAR AS text
FROM seen WHERE kind IN ('click', 'share')
UNION ALL
SELECT probe, clock, position, 'coupon.' || status, t, NULL, NULL, NULL FROM seen WHERE kind = 'coupon'
UNION ALL
SELECT s.probe, s.clock, s.position, 'chat.' || s.direction, s.t, NULL, NULL, s.text
FROM seen s ANTI JOIN recalled r
  ON r.probe = s.probe AND r.conversation = s.conversation AND r.message = s.message AND r.direction = s.direction
WHERE s.kind = 'chat' AND s.msgtype <> 'recall'
UNION ALL
SELECT probe, clock, position, 'order.' || status, t, currency, net, NULL FROM order_status WHERE status = 'cancelled' OR NOT gone
UNION ALL
SELECT probe, clock, position, 'order.refunded', t, currency, refund, NULL FROM seen WHERE kind = 'order' AND status = 'refunded';

-- The values of what counts: an event's item or its lines, without the lines that were taken back.
CREATE OR REPLACE TABLE counted_value AS
SELECT DISTINCT c.probe, c.clock, c.position, c.name, c.t, l.dimension, l.value
FROM counted c
JOIN line l ON l.position = c.position
LEFT JOIN seen s ON s.probe = c.probe AND s.position = c.position
LEFT JOIN line_refunded r ON r.probe = c.probe AND r.order_id = s.order_id AND r.line_id = l.line_id
WHERE l.value <> '' AND (r.quantity IS NULL OR r.quantity < l.quantity OR c.name IN ('order.cancelled', 'order.refunded'));

-- The member as its brand sees it, whatever the rules.
CREATE OR REPLACE TABLE seen_member AS
SELECT probe, any_value(clock) AS clock, min(t) AS first_seen,
       max(t) FILTER (kind = 'click') AS click, max(t) FILTER (kind = 'share') AS share, max(t) FILTER (kind = 'order') AS "order",
       max(t) FILTER (kind = 'chat' AND msgtype <> 'recall') AS chat,
       max(t) FILTER (kind IN ('click', 'share') OR (kind = 'order' AND status IN ('placed', 'paid'))
                      OR (kind = 'chat' AND direction = 'in' AND msgtype <> 'recall')
                      OR (kind = 'coupon' AND status IN ('claimed', 'redeemed'))) AS acted
FROM seen GROUP BY probe;

CREATE OR REPLACE TABLE bought AS
SELECT probe, order_id, coalesce(max(net) FILTER (status = 'paid'), max(net) FILTER (status = 'completed')) AS net,
       coalesce(max(currency) FILTER (status = 'paid'), max(currency) FILTER (status = 'completed')) AS currency
FROM order_status WHERE NOT gone AND status IN ('paid', 'completed') GROUP BY probe, order_id;

CREATE OR REPLACE TABLE spent AS
SELECT probe, currency, sum(net) AS net FROM bought GROUP BY probe, currency HAVING sum(net) <> 0;

-- Consent: the highest (version, at) stands whole; of equal ones the first.
CREATE OR REPLACE TABLE standing AS
SELECT p.probe, arg_max_null(c.tags, (c.version, c.stated_at, -c.position)) AS tags, arg_max_null(c.alliance, (c.version, c.stated_at, -c.position)) AS alliance,
       arg_max_null(c.recipients, (c.version, c.stated_at, -c.position)) AS recipients
FROM probe p JOIN consent c ON c.brand = p.brand AND c.who = p.who AND c.position <= p.upto GROUP BY p.probe;
