// The cluster: brokers on a ring, the links between them, and what just happened.
import { html } from 'lit'
import { View } from '../../kit/view.js'
import { app } from '../../app.js'
import { toast } from '../../shell/toasts.js'
import { navigate } from '../../shell/router.js'
import { addKey } from '../../shell/keys.js'
import { explain, t } from '../../i18n/index.js'
import './ring.js'
import './link-panel.js'
import './story.js'
import '../storage.js'
import '../timeline.js'

class Cluster extends View {
  static slices = ['brokers', 'page']
  static properties = { param: {}, query: { attribute: false }, adding: { state: true } }

  constructor () {
    super()
    /** `broker-2`, `link-1-2` or ''. */
    this.param = ''
    this.adding = false
  }

  connectedCallback () {
    super.connectedCallback()
    this.own(addKey({ key: 'k', label: () => t('keys.kill'), run: () => this.#killController() }))
  }

  render () {
    const { voters, controller, epoch } = quorum()
    const majority = Math.floor(voters.length / 2) + 1
    const [kind, ...ids] = this.param.split('-')
    return html`
      <div class="head"><h1>${t('cluster.title')}</h1>
        <p class="lead">${t('cluster.quorum', { count: voters.length, majority, spare: voters.length - majority })}
          ${controller === null ? html`<b class="bad">${t('cluster.noController')}</b>` : t('cluster.controller', { id: controller, epoch })}</p>
        ${app.source.can('addBroker') ? html`<button type="button" ?disabled=${this.adding} @click=${() => this.#add()}>${this.adding ? t('cluster.adding') : t('cluster.add')}</button>` : ''}
      </div>
      ${voters.length % 2 === 0 ? html`<p class="hint-box" data-even-voters>${evenVoters(voters.length)}</p>` : ''}
      <div class="cluster-layout">
        <tabmq-story></tabmq-story>
        <tabmq-ring .pointed=${kind === 'broker' ? Number(ids[0]) : null} .link=${kind === 'link' ? ids.map(Number) : null}></tabmq-ring>
        <div class="side">
          ${kind === 'link' && ids.length === 2 ? html`<tabmq-link-panel .ends=${ids.map(Number)}></tabmq-link-panel>` : ''}
          <section class="panel"><h2>${t('timeline.title')}</h2><tabmq-timeline .shown=${40}></tabmq-timeline></section>
          <section class="panel"><h2>${t('storage.title')}</h2><tabmq-storage></tabmq-storage></section>
        </div>
      </div>`
  }

  async #add () {
    this.adding = true
    try {
      const id = await app.source.addBroker()
      toast(t('cluster.added', { id }), 'good')
      navigate(`#/cluster/broker-${id}`)
    } catch (error) {
      toast(explain(error), 'bad')
    }
    this.adding = false
  }

  #killController () {
    const { controller } = quorum()
    if (controller !== null) app.source.kill(controller).catch((error) => toast(explain(error), 'bad'))
  }
}
customElements.define('tabmq-cluster', Cluster)

function quorum () {
  const { controller } = app.store.model
  return { voters: app.source.voters, controller, epoch: app.store.model.brokers.get(controller)?.quorumEpoch ?? 0 }
}

/** Why an even number of voters is no better than the odd one below it. @param {number} count */
export function evenVoters (count) {
  const majority = count / 2 + 1
  return t('cluster.evenVoters', { count, majority, spare: count - majority, fewer: count - 1 })
}
