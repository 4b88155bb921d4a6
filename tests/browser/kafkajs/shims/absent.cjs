// net and tls: only kafkajs's default socketFactory uses them. crypto: only SCRAM does.
module.exports = {}
