"""A memory of passages whose questions a teacher has answered, to train readers of memories on."""
