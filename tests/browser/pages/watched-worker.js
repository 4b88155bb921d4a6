// A broker's worker that tells when a transaction is told to commit before the browser has begun it.
import './watched-commits.js'
import '/sdk/worker.js'
