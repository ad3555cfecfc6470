package huiliu;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The job as fast as Streams does it: MessagePack by hand over byte arrays, a store in memory behind the record cache. */
final class Tuned {
    /** What is remembered of a member; texts stay the bytes that they came as. */
    static final class Counted {
        long count, total;
        byte[] last = new byte[0], note = new byte[0];
    }

    static Topology topology(String source, String output) {
        StreamsBuilder builder = new StreamsBuilder();
        Serde<Counted> states = Serdes.serdeFrom((topic, state) -> pack(state), (topic, bytes) -> bytes == null ? null : unpack(bytes));
        builder.addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("counted"), Serdes.Bytes(), states).withCachingEnabled());
        builder.stream(source, Consumed.with(Serdes.Bytes(), Serdes.ByteArray()))
            .process(Fold::new, "counted")
            .to(output, Produced.with(Serdes.Bytes(), Serdes.ByteArray()));
        return builder.build();
    }

    static final class Fold extends ContextualProcessor<Bytes, byte[], Bytes, byte[]> {
        private KeyValueStore<Bytes, Counted> store;

        @Override
        public void init(ProcessorContext<Bytes, byte[]> context) {
            super.init(context);
            store = context.getStateStore("counted");
        }

        @Override
        public void process(Record<Bytes, byte[]> record) {
            Reader event = new Reader(record.value());
            byte[] id = null, member = null, item = null, note = null;
            long amount = 0;
            for (int left = event.map(); left > 0; left--) {
                byte[] name = event.text();
                switch (name[name.length - 1]) { // id, member, amount, item, note
                    case 'd' -> id = event.text();
                    case 'r' -> member = event.text();
                    case 't' -> amount = event.integer();
                    case 'm' -> item = event.text();
                    case 'e' -> note = event.text();
                    default -> throw new IllegalArgumentException(new String(name, StandardCharsets.UTF_8));
                }
            }
            Counted state = store.get(record.key());
            if (state == null) state = new Counted();
            state.count += 1;
            state.total += amount;
            state.last = item;
            state.note = note.length > 100 ? Arrays.copyOf(note, 100) : note; // the notes are ASCII
            store.put(record.key(), state);
            Writer told = new Writer(id.length + member.length + 32);
            told.array(4);
            told.text(id);
            told.text(member);
            told.integer(state.count);
            told.integer(state.total);
            context().forward(record.withValue(told.bytes()));
        }
    }

    static byte[] pack(Counted state) {
        Writer writer = new Writer(state.last.length + state.note.length + 32);
        writer.array(4);
        writer.integer(state.count);
        writer.integer(state.total);
        writer.text(state.last);
        writer.text(state.note);
        return writer.bytes();
    }

    static Counted unpack(byte[] bytes) {
        Reader reader = new Reader(bytes);
        reader.array();
        Counted state = new Counted();
        state.count = reader.integer();
        state.total = reader.integer();
        state.last = reader.text();
        state.note = reader.text();
        return state;
    }

    /** Reads the part of MessagePack that the job has. */
    static final class Reader {
        private final byte[] from;
        private int at;

        Reader(byte[] from) {
            this.from = from;
        }

        int map() {
            return from[at++] & 0x0f;
        }

        int array() {
            return from[at++] & 0x0f;
        }

        byte[] text() {
            int head = from[at++] & 0xff;
            int length = head < 0xc0 ? head & 0x1f : head == 0xd9 ? (int) big(1) : (int) big(2);
            at += length;
            return Arrays.copyOfRange(from, at - length, at);
        }

        long integer() {
            int head = from[at++] & 0xff;
            return head < 0x80 ? head : big(1 << (head - 0xcc));
        }

        private long big(int bytes) {
            long value = 0;
            for (; bytes > 0; bytes--) value = value << 8 | from[at++] & 0xff;
            return value;
        }
    }

    /** Writes the same part. */
    static final class Writer {
        private final byte[] to;
        private int at;

        Writer(int room) {
            to = new byte[room];
        }

        void array(int size) {
            to[at++] = (byte) (0x90 | size);
        }

        void text(byte[] text) {
            if (text.length < 32) {
                to[at++] = (byte) (0xa0 | text.length);
            } else {
                to[at++] = (byte) 0xd9;
                to[at++] = (byte) text.length;
            }
            System.arraycopy(text, 0, to, at, text.length);
            at += text.length;
        }

        void integer(long value) {
            if (value < 0x80) {
                to[at++] = (byte) value;
                return;
            }
            int power = value < 0x100 ? 0 : value < 0x10000 ? 1 : value < 0x100000000L ? 2 : 3;
            to[at++] = (byte) (0xcc + power);
            for (int shift = 8 * ((1 << power) - 1); shift >= 0; shift -= 8) to[at++] = (byte) (value >>> shift);
        }

        byte[] bytes() {
            return Arrays.copyOf(to, at);
        }
    }

    private Tuned() {}
}
