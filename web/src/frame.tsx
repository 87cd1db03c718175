/** The client inside of the element's iframe. */
import './styles/main.css';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { ChatClient } from './client';
import { connectToElement, type FrameHost } from './host/frame';
import type { Options } from './host/host';

const root = createRoot(document.getElementById('root') as HTMLElement);
let client: ChatClient | null = null;
let early: { options: Options; variables: Record<string, string>; thread: string | null | undefined } | null = null;

function start(host: FrameHost, { options, variables, thread }: NonNullable<typeof early>): void {
  const started = (client = new ChatClient(host, options));
  started.variables.set(variables);
  root.render(<App client={started} />);
  if (thread) void started.setThreadId(thread);
  // The first view is painted with the next frame.
  requestAnimationFrame(() => setTimeout(() => host.emit('chatkit.ready')));
}

const connected = connectToElement({
  onOptions(options, variables, thread) {
    if (client) {
      client.variables.set(variables);
      client.options.set(options);
    } else {
      early = { options, variables, thread };
    }
    void connected.then((host) => {
      if (client || !early) return;
      start(host, early);
    });
  },
  async onMethod(name, args) {
    if (!client) throw new Error('the chat has no options yet');
    await (client[name] as (...args: unknown[]) => Promise<void>)(...args);
  },
});
