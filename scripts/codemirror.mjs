// What the page's editor (www/js/views/code/editor.js) uses of CodeMirror: copy-libraries.sh makes one file of it, since its
// dozen packages import each other by name.
export { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
export { javascript } from '@codemirror/lang-javascript'
export { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting, syntaxTree } from '@codemirror/language'
export { EditorState, StateEffect, StateField } from '@codemirror/state'
export { Decoration, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
export { tags } from '@lezer/highlight'
