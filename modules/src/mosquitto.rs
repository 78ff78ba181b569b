//! An Eclipse Mosquitto MQTT broker.
