// What every part of the page shares: the one open cluster, its store, and the page's own clients. A view imports `app`;
// nothing else is global.

/**
 * @typedef {object} App
 * @property {import('./source/cluster-source.js').ClusterSource} source the open cluster
 * @property {import('./state/store.js').Store} store what is known of it; views draw from here
 * @property {any} kafka the page's own kafkajs-shaped client (clientId `page`)
 * @property {any} admin one shared admin of it
 * @property {import('./state/actions.js').Actions} actions what a person did, to be copied as commands
 * @property {import('./demo.js').Demo} demo what a first visitor sees happen
 */

/** Filled by `openCluster` before any view is drawn. @type {App} */
export const app = /** @type {any} */ ({})

/** The value of a parameter of the page's address (`?name=shop`). @param {string} name */
export const option = (name) => new URLSearchParams(location.search).get(name)
