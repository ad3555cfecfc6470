"""The same job three ways: the engine, a straight confluent-kafka loop, an idiomatic Faust agent."""
