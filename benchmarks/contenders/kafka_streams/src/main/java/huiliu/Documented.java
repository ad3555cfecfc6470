package huiliu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The job as the documentation writes such a thing: JSON by Jackson, the default store, a processor with state. */
final class Documented {
    static final ObjectMapper JSON = new ObjectMapper();

    public static final class Event {
        public String id, member, item, note;
        public long amount;
    }

    public static final class Counted {
        public long count, total;
        public String last = "", note = "";
    }

    static <T> Serde<T> json(Class<T> type) {
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : JSON.writeValueAsBytes(value);
                } catch (JsonProcessingException impossible) {
                    throw new UncheckedIOException(impossible);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : JSON.readValue(bytes, type);
                } catch (IOException broken) {
                    throw new UncheckedIOException(broken);
                }
            });
    }

    static Topology topology(String source, String output) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("counted"), Serdes.String(), json(Counted.class)));
        builder.stream(source, Consumed.with(Serdes.String(), json(Event.class)))
            .process(Fold::new, "counted")
            .to(output, Produced.with(Serdes.String(), json(Object[].class)));
        return builder.build();
    }

    static final class Fold extends ContextualProcessor<String, Event, String, Object[]> {
        private KeyValueStore<String, Counted> store;

        @Override
        public void init(ProcessorContext<String, Object[]> context) {
            super.init(context);
            store = context.getStateStore("counted");
        }

        @Override
        public void process(Record<String, Event> record) {
            Event event = record.value();
            Counted state = store.get(record.key());
            if (state == null) state = new Counted();
            state.count += 1;
            state.total += event.amount;
            state.last = event.item;
            state.note = event.note.substring(0, Math.min(100, event.note.length()));
            store.put(record.key(), state);
            context().forward(record.withValue(new Object[] {event.id, event.member, state.count, state.total}));
        }
    }

    private Documented() {}
}
