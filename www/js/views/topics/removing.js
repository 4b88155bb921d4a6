// The end of a topic, after a question.
import { html } from 'lit'
import { confirm } from '../../kit/dialog.js'
import { copyAs } from '../../kit/parts.js'
import { app } from '../../app.js'
import { explain, t } from '../../i18n/index.js'
import { toast } from '../../shell/toasts.js'
import { commandsOf } from '../../commands/index.js'

/** Asks first. True when it is gone. @param {string} topic */
export async function removeTopic (topic) {
  const text = html`${t('topics.deleteText')} ${copyAs(commandsOf([{ what: 'deleteTopics', given: [{ topics: [topic] }] }]))}`
  if (!await confirm({ title: t('topics.deleteTitle', { topic }), text, action: t('topics.delete'), danger: true })) return false
  try {
    await app.admin.deleteTopics({ topics: [topic] })
    toast(t('topics.deleted', { topic }), 'good')
    return true
  } catch (error) {
    toast(explain(error), 'bad')
    return false
  }
}
