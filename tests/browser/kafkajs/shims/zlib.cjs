// gzip by the browser's own streams, in Node's callback style.
const pump = (makeStream) => (bytes, callback) => {
  const piped = new Blob([bytes]).stream().pipeThrough(makeStream())
  new Response(piped).arrayBuffer().then((out) => callback(null, Buffer.from(out)), callback)
}

exports.gzip = pump(() => new CompressionStream('gzip'))
exports.unzip = pump(() => new DecompressionStream('gzip'))
