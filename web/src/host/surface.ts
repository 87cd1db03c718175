/** The names of the element's surface. A type test compares them with `@openai/chatkit`. */

/** The functions that options may hold, by their paths. */
export const FUNCTION_PATHS = [
  'api.fetch',
  'api.getClientSecret',
  'onClientTool',
  'header.leftAction.onClick',
  'header.rightAction.onClick',
  'widgets.onAction',
  'entities.onTagSearch',
  'entities.onClick',
  'entities.onRequestPreview',
  'commands.onSearch',
  'commands.onSelect',
] as const;
export type FunctionPath = (typeof FUNCTION_PATHS)[number];

/** The methods of the element that the client carries out; `setOptions` is the element's own. */
export const METHODS = [
  'focusComposer',
  'setThreadId',
  'sendCustomAction',
  'sendUserMessage',
  'setComposerValue',
  'showHistory',
  'hideHistory',
  'fetchUpdates',
] as const;
export type Method = (typeof METHODS)[number];

/** The CSS variables of the client. A page sets them on the element, in its own style sheet. */
export const VARIABLES = [
  '--ck-background',
  '--ck-surface',
  '--ck-accent',
  '--ck-on-accent',
  '--ck-link',
  '--ck-bubble',
  '--ck-on-bubble',
  '--ck-radius-control',
  '--ck-radius-card',
  '--ck-radius-composer',
  '--ck-radius-bubble',
  '--ck-density',
  '--ck-width',
  '--ck-inset',
  '--ck-text',
  '--ck-text-secondary',
  '--ck-text-tertiary',
  '--ck-border',
  '--ck-ring',
  '--ck-font',
  '--ck-font-mono',
] as const;

export const EVENTS = [
  'chatkit.ready',
  'chatkit.error',
  'chatkit.effect',
  'chatkit.deeplink',
  'chatkit.log',
  'chatkit.response.start',
  'chatkit.response.end',
  'chatkit.thread.change',
  'chatkit.thread.load.start',
  'chatkit.thread.load.end',
  'chatkit.tool.change',
  'chatkit.history.open',
  'chatkit.history.close',
] as const;
