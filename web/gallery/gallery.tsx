/** A page for tests, which draws widgets and Markdown that the test gives it. It is no part of the client. */
import type { ThemeOption } from '@openai/chatkit';
import { StrictMode, Suspense } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { Markdown, type MarkdownProps } from '../src/markdown';
import { readBlocks, type Blocks } from '../src/markdown/blocks';
import type { ActionConfig, WidgetNode } from '../src/protocol/types';
import { applyTheme } from '../src/theme/theme';
import { WidgetView } from '../src/widgets';
import '../src/styles/main.css';
import './gallery.css';

interface Look {
  dark?: boolean;
  rtl?: boolean;
  /** A theme of the options, but for its scheme. */
  theme?: Omit<ThemeOption, 'colorScheme'>;
  /** Start anew, without the state of the widget before. */
  fresh?: boolean;
}

const place = document.getElementById('root') as HTMLElement;
const root = createRoot(place);
const actions: ActionConfig[] = [];
const deepLinks: string[] = [];
const waiting: { done(): void; fail(error: Error): void }[] = [];
let hold = false;
let generation = 0;
let isThemed = false;

const onAction = (action: ActionConfig): Promise<void> => {
  actions.push(action);
  if (!hold) return Promise.resolve();
  return new Promise((done, fail) => waiting.push({ done, fail }));
};

const look = ({ dark, rtl, fresh, theme: options }: Look): void => {
  const page = document.documentElement;
  const [theme, dir] = [dark ? 'dark' : 'light', rtl ? 'rtl' : 'ltr'] as const;
  // To set what is set already costs a new style of the whole page.
  if (page.dataset.theme !== theme) page.dataset.theme = theme;
  if (page.dir !== dir) page.dir = dir;
  if (options || isThemed) applyTheme({ ...options, colorScheme: theme });
  isThemed = options !== undefined;
  if (!isThemed) page.style.removeProperty('color-scheme');
  if (fresh !== false) generation += 1;
};

const draw = (widget: WidgetNode, given: Look = {}): void => {
  look(given);
  flushSync(() =>
    root.render(
      <StrictMode>
        <Suspense>
          <WidgetView key={generation} widget={widget} itemId="item" onAction={onAction} locale="en" colorScheme={given.dark ? 'dark' : 'light'} />
        </Suspense>
      </StrictMode>,
    ),
  );
};

const SEEN = (
  'align-items align-self animation-name aspect-ratio background-color background-image border-bottom-color border-bottom-style border-bottom-width ' +
  'border-left-color border-left-style border-left-width border-right-color border-right-style border-right-width border-top-color border-top-style ' +
  'border-top-width border-top-left-radius box-shadow color column-gap cursor display fill flex flex-direction flex-wrap font-size font-style ' +
  'font-weight height justify-content letter-spacing line-height margin-bottom margin-left margin-right margin-top max-height max-width min-height ' +
  'min-width object-fit object-position opacity outline-color outline-style overflow-x padding-bottom padding-left padding-right padding-top ' +
  'row-gap stroke text-align text-decoration-line text-overflow vertical-align white-space width -webkit-line-clamp'
).split(' ');

/** What can be seen of each element: its place, its computed style, its content. Attributes for CSS count by their effect. */
const sight = (): string => {
  const lines: string[] = [];
  const style = (element: Element, pseudo?: string): string => {
    const computed = getComputedStyle(element, pseudo);
    return SEEN.map((name) => computed.getPropertyValue(name)).join();
  };
  for (const element of place.querySelectorAll('*')) {
    const { x, y, width, height } = element.getBoundingClientRect();
    const attributes = [...element.attributes]
      .filter(({ name }) => !/^(data-(?!field|theme|1p|lp|bw)|class|style|for|aria-labelledby|aria-describedby)/.test(name))
      .map(({ name, value }) => `${name}=${value}`);
    const field = element as HTMLInputElement;
    lines.push([element.tagName, x, y, width, height, style(element), style(element, '::before'), attributes, field.value ?? '', field.checked ?? ''].join());
    for (const child of element.childNodes) if (child instanceof Text) lines.push(child.data);
  }
  return lines.join('\n').replace(/_r_\w+_/g, 'id');
};

/** Two frames: chunks are there, observers of sizes have told theirs. */
const settled = (): Promise<void> => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));

const digest = async (text: string): Promise<string> => {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** Draw each widget; tell what can be seen of it as a digest, and the notes that it shows. */
const compare = async (widgets: WidgetNode[]): Promise<{ sight: string; notes: string[] }[]> => {
  const seen = [];
  for (const widget of widgets) {
    draw(widget);
    // Only a chart waits to be told its size.
    await (widget.type === 'Chart' || JSON.stringify(widget).includes('"Chart"') ? settled() : Promise.resolve());
    const notes = [...place.querySelectorAll('.ckw-note')].map((note) => note.textContent ?? '');
    for (const animation of document.getAnimations()) animation.cancel();
    seen.push({ sight: await digest(sight()), notes });
  }
  return seen;
};

// The host takes such clicks, wherever they come from.
document.addEventListener('click', (event) => {
  const link = (event.target as Element).closest('a[href^="chatkit-link:" i]');
  if (!link) return;
  event.preventDefault();
  deepLinks.push(link.getAttribute('href') as string);
});

const renderAnnotations: MarkdownProps['renderAnnotations'] = (group) => <sup>{group.map(({ source }) => source.title).join()}</sup>;

const write = (props: MarkdownProps, given: Look = {}): void => {
  look({ fresh: false, ...given });
  flushSync(() =>
    root.render(
      <StrictMode>
        <Suspense>
          <Markdown key={generation} {...props} renderAnnotations={renderAnnotations} />
        </Suspense>
      </StrictMode>,
    ),
  );
};

/** Read a text in growing parts; tell the first length at which the blocks differ from those of the whole text. */
const grow = (source: string, step: number): number | null => {
  let blocks: Blocks | undefined;
  const show = ({ list, links }: Blocks): string => JSON.stringify([list, links]);
  for (let length = 0; length <= source.length + step; length += step) {
    const part = source.slice(0, length);
    blocks = readBlocks(part, blocks);
    if (show(blocks) !== show(readBlocks(part))) return length;
  }
  return null;
};

const gallery = {
  draw,
  write,
  compare,
  grow,
  deepLinks: () => deepLinks.splice(0),
  actions: () => actions.splice(0),
  hold: (on: boolean) => void (hold = on),
  finish: (error?: string) => {
    for (const { done, fail } of waiting.splice(0)) error ? fail(new Error(error)) : done();
  },
};

declare global {
  interface Window {
    gallery: typeof gallery;
  }
}

window.gallery = gallery;
// The parts that are loaded when they are used are there before the first test.
void Promise.all([import('../src/widgets/WidgetView'), import('../src/markdown/Markdown'), import('../src/icons/NamedIcon')]).then(async () => {
  draw({ type: 'Card', children: [{ type: 'Markdown', value: 'ready' }, { type: 'Icon', name: 'star' }] });
  await settled();
  document.documentElement.dataset.ready = '';
});
