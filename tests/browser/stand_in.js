// In the place of ChatKit's component, which is not to be had offline: `<openai-chatkit>` with the methods and events of
// `@openai/chatkit` 1.9 that pages use. It speaks ChatKit's protocol to a real server and shows what comes as plain text.

const OPTIONS = [
  'api', 'locale', 'theme', 'frameTitle', 'initialThread', 'onClientTool', 'header', 'history', 'startScreen',
  'threadItemActions', 'composer', 'disclaimer', 'entities', 'commands', 'widgets', 'thread',
];

class StandIn extends HTMLElement {
  #thread = null;

  setOptions(options) {
    const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
    if (unknown.length) throw new Error(`no such options: ${unknown}`);
    this.options = options;
    const greeting = this.#add('h2', options.startScreen?.greeting ?? '');
    for (const { label, prompt } of options.startScreen?.prompts ?? []) {
      this.#add('button', label).onclick = () => this.sendUserMessage({ text: prompt });
    }
    greeting.className = 'ready';
  }

  async sendUserMessage({ text }) {
    const input = { content: [{ type: 'input_text', text }], attachments: [], inference_options: {} };
    const request = this.#thread
      ? ['threads.add_user_message', { thread_id: this.#thread, input }]
      : ['threads.create', { input }];
    await this.#post(...request);
  }

  async sendCustomAction(action, itemId) {
    await this.#post('threads.custom_action', { thread_id: this.#thread, item_id: itemId ?? null, action });
  }

  async #post(type, params) {
    const { url, fetch: ask = fetch } = this.options.api;
    const body = JSON.stringify({ type, params });
    const response = await ask(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const text = await response.text();
    if (!response.ok) return this.#emit('error', { error: new Error(text) });
    const events = text.split('\n\n').filter((block) => block.startsWith('data: ')).map((block) => JSON.parse(block.slice(6)));
    let call = null;
    for (const event of events) {
      if (event.type === 'thread.created') this.#thread = event.thread.id;
      if (event.type === 'client_effect') this.#emit('effect', { name: event.name, data: event.data });
      if (event.type === 'error') this.#emit('error', { error: new Error(event.message) });
      if (event.type === 'thread.item.done') call = this.#show(event.item) ?? call;
    }
    if (call) await this.#answer(call);
  }

  async #answer({ name, arguments: params }) {
    try {
      const result = await this.options.onClientTool({ name, params });
      await this.#post('threads.add_client_tool_output', { thread_id: this.#thread, result });
    } catch (error) {
      this.#emit('error', { error });
    }
  }

  #show(item) {
    if (item.type === 'client_tool_call') return item.status === 'pending' ? item : null;
    if (item.type === 'user_message' || item.type === 'assistant_message') {
      this.#add('p', item.content.map((part) => part.text).join('')).className = item.type;
    }
    if (item.type === 'widget') this.#buttons(item.widget, item);
    return null;
  }

  #buttons(part, item) {
    if (part.type === 'Button') {
      const { handler, type, payload } = part.onClickAction;
      this.#add('button', part.label).onclick = async () => {
        if (handler !== 'client') return this.sendCustomAction({ type, payload }, item.id);
        return this.options.widgets.onAction({ type, payload }, item).catch((error) => this.#emit('error', { error }));
      };
    }
    for (const child of part.children ?? []) this.#buttons(child, item);
  }

  #add(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    this.append(element);
    return element;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`chatkit.${name}`, { detail }));
  }
}

customElements.define('openai-chatkit', StandIn);
