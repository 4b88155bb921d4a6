// lock.js formats one number into its message; gzip.js promisifies the functions of zlib.cjs.
exports.format = (text, number) => text.replace('%d', number)

exports.promisify = (call) => (input) =>
  new Promise((resolve, reject) => call(input, (error, output) => (error ? reject(error) : resolve(output))))
