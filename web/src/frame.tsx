/** The client inside of the element's iframe. */
import './styles/main.css';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { ChatClient } from './client';
import { connectToElement, type FrameHost } from './host/frame';
import type { Options } from './host/host';

const root = createRoot(document.getElementById('root') as HTMLElement);
let client: ChatClient | null = null;
let early: { options: Options; thread: string | null | undefined } | null = null;

function start(host: FrameHost, options: Options, thread: string | null | undefined): void {
  const started = (client = new ChatClient(host, options));
  root.render(<App client={started} />);
  if (thread) void started.setThreadId(thread);
  // The first view is painted with the next frame.
  requestAnimationFrame(() => setTimeout(() => host.emit('chatkit.ready')));
}

const connected = connectToElement({
  onOptions(options, thread) {
    if (client) client.options.set(options);
    else early = { options, thread };
    void connected.then((host) => {
      if (client || !early) return;
      start(host, early.options, early.thread);
    });
  },
  async onMethod(name, args) {
    if (!client) throw new Error('the chat has no options yet');
    await (client[name] as (...args: unknown[]) => Promise<void>)(...args);
  },
});
