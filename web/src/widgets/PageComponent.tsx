/** A component of the page's own: a document in a sandboxed frame, which gets the properties and sends actions. */
import { use, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useLanguage } from '../i18n/i18n';
import type { WidgetNode } from '../protocol/types';
import { actionOf, Scope, useAction } from './actions';
import { record, text } from './values';

/** How long the document may take to send `ready` after it has loaded, in ms. A frame that is refused loads, too. */
const GRACE = 1000;
const HEIGHT = 160;
const MOST = 4000;

/** Where the document of a component is. */
export interface PageComponentSource {
  src: string;
  /** In px, until the document sends its own. */
  height?: number;
}

const clamp = (height: unknown): number | null =>
  typeof height === 'number' && Number.isFinite(height) ? Math.min(Math.max(Math.ceil(height), 0), MOST) : null;

export function PageComponent({ node, source }: { node: WidgetNode; source: PageComponentSource }): ReactNode {
  const { t, locale } = useLanguage();
  const { dark } = use(Scope);
  const { run } = useAction('none');
  const frame = useRef<HTMLIFrameElement>(null);
  /** How often the document has sent `ready`: it may load itself again. */
  const [ready, setReady] = useState(0);
  const hasSent = useRef(false);
  const [failed, setFailed] = useState(false);
  const [height, setHeight] = useState(() => clamp(source.height) ?? HEIGHT);
  const latest = useRef(run);
  useLayoutEffect(() => void (latest.current = run));

  useEffect(() => {
    const receive = ({ source: from, data }: MessageEvent<unknown>): void => {
      const message = record(data);
      if (from !== frame.current?.contentWindow || !message) return;
      if (message.chatkit === 'ready') {
        hasSent.current = true;
        setFailed(false);
        setReady((count) => count + 1);
      } else if (message.chatkit === 'height') {
        setHeight((before) => clamp(message.height) ?? before);
      } else if (message.chatkit === 'action') {
        const action = actionOf(message.action);
        if (action) void latest.current(action);
        else console.warn(`the component ${node.type} sent no action (its action needs a type, which is a string)`);
      }
    };
    addEventListener('message', receive);
    return () => removeEventListener('message', receive);
  }, [node.type]);

  // What the document draws: sent when it is ready, and at each change.
  const { type, key: _, children: __, ...props } = node;
  const data = JSON.stringify({ chatkit: 'props', type, props, colorScheme: dark ? 'dark' : 'light', locale });
  useEffect(() => {
    // A sandboxed document has no origin that could be named.
    if (ready) frame.current?.contentWindow?.postMessage(JSON.parse(data), '*');
  }, [ready, data]);

  const loaded = useRef(0);
  useEffect(() => () => clearTimeout(loaded.current), []);
  const name = text(node.label) || node.type;
  return (
    <>
      {failed && <p className="ckw-note" role="note">{t('unknownComponent', { type: node.type })}</p>}
      <iframe
        ref={frame}
        className="ckw-page-component"
        title={name}
        hidden={failed}
        sandbox="allow-scripts"
        referrerPolicy="no-referrer"
        src={source.src}
        style={{ height }}
        onLoad={() => {
          clearTimeout(loaded.current);
          loaded.current = window.setTimeout(() => setFailed(!hasSent.current), GRACE);
        }}
      />
    </>
  );
}
