// The views, in the order of the navigation. To add one: a file in js/views/ that defines a custom element, a line here,
// its name in both catalogues (`nav.<name>`), and an icon (a path in a box of 24). It is loaded when it is first opened and
// gets the route as its properties `param` (what stands behind the name) and `query`.

/** @typedef {{ name: string, tag: string, load: () => Promise<unknown>, icon: string }} ViewRoute */

/** @type {ViewRoute[]} */
export const ROUTES = [
  { name: 'cluster', tag: 'tabmq-cluster', load: () => import('../views/cluster/cluster.js'), icon: 'M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z' },
  { name: 'topics', tag: 'tabmq-topics', load: () => import('../views/topics/topics.js'), icon: 'M4 6h16M4 12h16M4 18h10' },
  { name: 'records', tag: 'tabmq-records', load: () => import('../views/records/records.js'), icon: 'M5 4h14v16H5zM8 8h8M8 12h8M8 16h5' },
  { name: 'produce', tag: 'tabmq-produce', load: () => import('../views/produce/produce.js'), icon: 'M5 12h13M12 5l7 7-7 7' },
  { name: 'groups', tag: 'tabmq-groups', load: () => import('../views/groups/groups.js'), icon: 'M8 12a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM16 12a3 3 0 1 0 0-6M3 19c0-3 2-5 5-5s5 2 5 5M16 14c3 0 5 2 5 5' },
  { name: 'watch', tag: 'tabmq-watch', load: () => import('../views/watch/watch.js'), icon: 'M3 13h4l3-8 4 14 3-6h4' },
  { name: 'code', tag: 'tabmq-code', load: () => import('../views/code.js'), icon: 'M9 6l-6 6 6 6M15 6l6 6-6 6' },
  { name: 'share', tag: 'tabmq-share', load: () => import('../views/share.js'), icon: 'M12 15V4M8 8l4-4 4 4M5 12v7h14v-7' }
]
