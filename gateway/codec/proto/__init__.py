"""Pure translation between the API's protobuf messages and the core's commands, events and views."""
