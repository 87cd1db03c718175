/** The item of a widget that has sent an action. */
export type WidgetItem = { id: string; widget: Widgets.Card | Widgets.ListView | Widgets.BasicRoot };

/** A JSON object. */
export type Json = Record<string, unknown>;

/** The functions of the page: one for each client tool and each effect. */
export interface Handlers {
/* handlers */
  /** Widget actions with `handler: client`, by type; all other actions are sent to the server. */
  actions?: {
    [Type in keyof ActionPayloads]?: (payload: ActionPayloads[Type], item: WidgetItem) => unknown;
  };
  /** Handles those that are missing in `actions`. */
  otherAction?: (action: { type: string; payload?: Json }, item: WidgetItem) => unknown;
}

/** The server, and the page's own options. */
export interface Settings {
  /** The URL of the ChatKit endpoint, such as `http://127.0.0.1:8000/chatkit`. */
  url: string;
  /** Replaces the browser's `fetch`, for example to add the headers of a login. */
  fetch?: typeof fetch;
  /** Options of the component; they override those of `chat:` in agents.yaml. */
  options?: Partial<ChatKitOptions>;
}

/** An effect, as in ChatKit's event. */
export type Effect = { name: string; data?: Json };

/** The component's options with the page's handlers; `onEffect` is for React's `useChatKit`. */
export type Wired = { options: ChatKitOptions; onEffect: (effect: Effect) => void };

type Served = ChatKitOptions & { api: { url: string; domainKey: string } };

// Whether agents.yaml has `chat.tags`: the server then finds what a message can mention.
const HAS_MENTIONS: boolean = 'mentions';

/**
 * Connects the ChatKit element to the server and to the handlers. The returned function removes the listener for
 * effects.
 */
export async function connect(element: OpenAIChatKit, handlers: Handlers, settings: Settings): Promise<() => void> {
  const { options, onEffect } = wire(await loadOptions(settings), handlers);
  await customElements.whenDefined('openai-chatkit');
  const listener = (event: CustomEvent<Effect>) => onEffect(event.detail);
  element.addEventListener('chatkit.effect', listener);
  element.setOptions(options);
  return () => element.removeEventListener('chatkit.effect', listener);
}

/** Loads the component's options from the server; `wire` adds the functions. */
export async function loadOptions(settings: Settings): Promise<ChatKitOptions> {
  const address = `${settings.url.replace(/\/$/, '')}/options.json`;
  const ask = settings.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));
  let response: Response;
  try {
    response = await ask(address);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = `is the server running, and does server.cors in agents.yaml have ${location.origin}?`;
    throw new Error(`can't get ${address} (${reason}): ${hint}`);
  }
  if (!response.ok) throw new Error(`can't get ${address}: status ${response.status}`);
  const served = (await response.json()) as Served;
  const api = { ...served.api, url: settings.url, ...(settings.fetch ? { fetch: settings.fetch } : {}) };
  return { ...served, api, ...settings.options };
}

/** Adds the handlers to the component's options: for `setOptions`, and for `useChatKit({ ...options, onEffect })`. */
export function wire(options: ChatKitOptions, handlers: Handlers): Wired {
  const wired: ChatKitOptions = {
    ...options,
    onClientTool: async ({ name, params }) => {
      const result = call(handlers.clientTools, name, params);
      if (result === MISSING) throw new Error(missing('client tool', name));
      return (await result) as Json;
    },
    widgets: {
      ...options.widgets,
      onAction: async (action, item) => {
        const result = call(handlers.actions, action.type, action.payload ?? {}, item);
        if (result !== MISSING) await result;
        else if (handlers.otherAction) await handlers.otherAction(action, item);
        else throw new Error(missing('action', action.type));
      },
    },
  };
  if (HAS_MENTIONS && 'url' in options.api) wired.entities = { ...mentions(options.api), ...options.entities };
  const onEffect = ({ name, data }: Effect) => {
    void (async () => {
      if ((await call(handlers.effects, name, data ?? {})) === MISSING) throw new Error(missing('effect', name));
    })().catch((error: unknown) => console.error(error));
  };
  return { options: wired, onEffect };
}

/** Sends an action to the server, as a click in a widget does; `itemId` is the id of the widget's item. */
export function sendAction<Type extends keyof ActionPayloads>(
  element: OpenAIChatKit,
  type: Type,
  payload: ActionPayloads[Type],
  itemId?: string,
): Promise<void> {
  return element.sendCustomAction({ type, payload: payload as unknown as Json }, itemId);
}

const MISSING = Symbol('no such handler');

function call(handlers: object | undefined, name: string, ...values: unknown[]): unknown {
  const named = (handlers ?? {}) as Record<string, ((...values: unknown[]) => unknown) | undefined>;
  const handler = named[name];
  return typeof handler === 'function' ? handler.apply(named, values) : MISSING;
}

function missing(kind: string, name: string): string {
  return `the page has no handler for the ${kind} ${JSON.stringify(name)}; 'chatkit-runtime client types' writes its type`;
}

function mentions(api: { url: string; fetch?: typeof fetch }): NonNullable<ChatKitOptions['entities']> {
  const ask = async (path: string) => {
    const address = `${api.url.replace(/\/$/, '')}/entities${path}`;
    const response = await (api.fetch ?? fetch)(address);
    if (!response.ok) throw new Error(`can't get ${address}: status ${response.status}`);
    return response.json();
  };
  return {
    onTagSearch: async (query) => (await ask(`?q=${encodeURIComponent(query)}`)).entities,
    onRequestPreview: async (entity) => ask(`/${encodeURIComponent(entity.id)}/preview`),
  };
}
