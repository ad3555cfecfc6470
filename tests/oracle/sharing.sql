-- What members' shares brought them, recounted from all accepted events (RULES 5, sharing), as rows of counted and counted_value.
--
-- Given besides recount.sql's: sharing_rule (brand, within, depth) and buyer (the probes that know each member's orders whole).
-- It speaks of the end alone: shares hear of visits from many partitions, so what was known when is nobody's to say.

-- What was passed on.  Told: the brand where, which hears what it brings.  Another brand's is allowed if the member's consent lets it cross.
CREATE OR REPLACE TABLE sent AS
SELECT e.brand AS told, e.share_id, e.who, e.device, e.position, e.owner, CASE WHEN parent = share_id THEN NULL ELSE parent END AS parent,
       e.owner IS NULL OR coalesce((
           SELECT arg_max_null(c.alliance AND list_contains(c.recipients, e.owner), (c.version, c.stated_at, -c.position))
           FROM consent c WHERE c.brand = e.brand AND c.who = e.who AND c.position <= e.position), FALSE) AS allowed
FROM event e WHERE kind = 'share';

-- What is kept at the brand that has it: there goes whatever happens at the one where it was passed on, too.
CREATE OR REPLACE TABLE moved AS
SELECT brand, share_id, owner FROM (
    SELECT told AS brand, share_id, owner, allowed FROM sent QUALIFY row_number() OVER (PARTITION BY told, share_id ORDER BY position) = 1
) WHERE owner IS NOT NULL AND allowed;

-- The first who shared is the sharer; brand: where the share is kept.
CREATE OR REPLACE TABLE shared AS
SELECT * FROM (SELECT CASE WHEN allowed THEN coalesce(owner, told) ELSE told END AS brand, * EXCLUDE (owner) FROM sent)
QUALIFY row_number() OVER (PARTITION BY brand, share_id ORDER BY position) = 1;

-- Each share and those above it, nearest first, at most ten.
CREATE OR REPLACE TABLE lineage AS
WITH RECURSIVE above AS (
    SELECT brand, share_id, 0 AS level, who, device, parent, told, allowed FROM shared
    UNION ALL
    SELECT a.brand, a.share_id, a.level + 1, s.who, s.device, s.parent, s.told, s.allowed
    FROM above a JOIN shared s ON s.brand = a.brand AND s.share_id = a.parent WHERE a.level < 10
) SELECT * FROM above;

-- Whom a deed at a share would reward, and where: its sharer; where the rules say so, the next above, who is somebody else.
CREATE OR REPLACE TABLE rewarded AS
SELECT a.brand, a.share_id, a.level, a.who, a.told FROM lineage a JOIN shared s USING (brand, share_id)
WHERE s.allowed AND (a.level = 0 OR (a.level = 1 AND a.allowed AND a.who <> s.who));

-- Visits: a member's first of a share.  Touches: what may have led to an order.
CREATE OR REPLACE TABLE touch AS
SELECT brand, who, t, position, share_id, click_id, device, TRUE AS opened FROM event WHERE kind = 'click' AND share_id IS NOT NULL
UNION ALL
SELECT brand, who, t, position, parent, NULL, device, FALSE FROM event WHERE kind = 'share' AND parent <> share_id;

CREATE OR REPLACE TABLE deed AS
SELECT 'share.visited' AS name, brand, coalesce(owner, brand) AS space, who, share_id, t, position, device
FROM touch LEFT JOIN moved USING (brand, share_id) WHERE opened
QUALIFY row_number() OVER (PARTITION BY space, share_id, who ORDER BY position) = 1;

-- Orders that stand, by the first record that names a share or a click, else by the last touch within the window.
CREATE OR REPLACE TABLE named AS
SELECT brand, who, order_id, share_id, click_id FROM event
WHERE kind = 'order' AND (share_id IS NOT NULL OR click_id IS NOT NULL)
QUALIFY row_number() OVER (PARTITION BY brand, who, order_id ORDER BY version, position) = 1;

CREATE OR REPLACE TABLE purchase AS
SELECT b.brand, b.who, o.order_id,
       coalesce(max(o.t) FILTER (status = 'placed'), max(o.t) FILTER (status = 'paid'), max(o.t) FILTER (status = 'completed')) AS bought,
       coalesce(max(o.t) FILTER (status = 'paid'), max(o.t) FILTER (status = 'completed')) AS t,
       coalesce(max(o.position) FILTER (status = 'paid'), max(o.position) FILTER (status = 'completed')) AS position
FROM order_status o JOIN buyer b USING (probe) WHERE NOT o.gone
GROUP BY b.brand, b.who, o.order_id HAVING bool_or(status IN ('paid', 'completed'));

INSERT INTO deed
SELECT 'share.ordered', brand, coalesce(owner, brand), who, share_id, t, position, device FROM (
    SELECT p.brand, p.who, coalesce(n.share_id, x.share_id) AS share_id, p.t, p.position, x.device
    FROM purchase p
    LEFT JOIN named n ON n.brand = p.brand AND n.who = p.who AND n.order_id = p.order_id
    LEFT JOIN sharing_rule r ON r.brand = p.brand
    LEFT JOIN touch x ON n.share_id IS NULL AND x.brand = p.brand AND x.who = p.who
         AND x.t <= p.bought AND x.t >= p.bought - coalesce(r.within, 604800000)
    QUALIFY row_number() OVER (PARTITION BY p.brand, p.who, p.order_id
        ORDER BY coalesce(x.click_id = n.click_id, FALSE) DESC, x.t DESC, x.share_id DESC, coalesce(x.click_id, '') DESC) = 1
) LEFT JOIN moved USING (brand, share_id);

-- A deed of one's own, from a device of one's own, or by somebody who stands above brings nobody anything.
CREATE OR REPLACE TABLE brought AS
SELECT d.name, w.told AS brand, d.space, w.who, d.share_id, d.t, d.position
FROM deed d JOIN rewarded w ON w.brand = d.space AND w.share_id = d.share_id LEFT JOIN sharing_rule r ON r.brand = d.brand
WHERE (w.level = 0 OR r.depth = 2) AND NOT EXISTS (
    SELECT 1 FROM lineage a
    WHERE a.brand = d.space AND a.share_id = d.share_id AND (a.who = d.who OR a.device = d.device));

INSERT INTO counted
SELECT p.probe, p.clock, b.position, b.name, b.t, NULL, NULL, NULL
FROM brought b JOIN probe p ON p.brand = b.brand AND p.who = b.who WHERE p.upto > (SELECT max(position) FROM event);

INSERT INTO counted_value
SELECT p.probe, p.clock, b.position, b.name, b.t, l.dimension, l.value
FROM brought b JOIN probe p ON p.brand = b.brand AND p.who = b.who
JOIN shared s ON s.brand = b.space AND s.share_id = b.share_id JOIN line l ON l.position = s.position
WHERE l.value <> '' AND p.upto > (SELECT max(position) FROM event);
