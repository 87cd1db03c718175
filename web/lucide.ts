import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const SOURCE = fileURLToPath(new URL('./node_modules/@iconify-json/lucide/icons.json', import.meta.url));
const PREFIX = 'virtual:lucide';

interface IconSet {
  icons: Record<string, { body: string; width?: number }>;
  /** Names that Lucide has given up, and those that took their place. */
  aliases: Record<string, { parent: string }>;
}

const NUMBER = String.raw`-?(?:\d+\.?\d*|\.\d+)`;
const START = new RegExp(String.raw`^m\s*(${NUMBER})[\s,]*(${NUMBER})\s*(?=([-.\d])?)`);

/** A shape as the data of a path: all of Lucide is drawn by one pen. */
function pathOf(tag: string, attributes: Record<string, string>): string {
  const value = (name: string): number => Number(attributes[name] ?? 0);
  // At the beginning of a path, `m` is absolute, and the points after it are not.
  if (tag === 'path') return (attributes.d ?? '').replace(START, (_, x, y, next) => `M${x} ${y}${next ? 'l' : ''}`);
  if (tag === 'circle' || tag === 'ellipse') {
    const [rx, ry] = tag === 'circle' ? [value('r'), value('r')] : [value('rx'), value('ry')];
    return `M${value('cx') - rx} ${value('cy')}a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0`;
  }
  if (tag !== 'rect') throw new Error(`Lucide draws a <${tag}>, which lucide.ts does not know`);
  const r = Number(attributes.rx ?? attributes.ry ?? 0);
  const [x, y, width, height] = [value('x'), value('y'), value('width') - 2 * r, value('height') - 2 * r];
  const turn = (dx: number, dy: number): string => (r ? `a${r} ${r} 0 0 1 ${dx} ${dy}` : '');
  return `M${x + r} ${y}h${width}${turn(r, r)}v${height}${turn(-r, r)}h${-width}${turn(-r, -r)}v${-height}${turn(r, -r)}z`;
}

function drawingOf(body: string): string {
  const paths = [...body.matchAll(/<(\w+)([^>]*)>/g)].map(([, tag = '', text = '']) => {
    const attributes = Object.fromEntries([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    return tag === 'g' ? '' : pathOf(tag, attributes as Record<string, string>);
  });
  return paths.join('').replace(/(\.\d{3})\d+/g, '$1');
}

/** Each name of Lucide, also a former one, with the data of the path that draws it; by first letters. */
function drawings(): Map<string, Record<string, string>> {
  const { icons, aliases } = JSON.parse(readFileSync(SOURCE, 'utf8')) as IconSet;
  const names: [string, string][] = [...Object.keys(icons).map((name): [string, string] => [name, name]), ...Object.entries(aliases).map(([name, { parent }]): [string, string] => [name, parent])];
  const letters = new Map<string, Record<string, string>>();
  for (const [name, source] of names.sort()) {
    const icon = icons[source];
    // Lucide's own are all 24 wide.
    if (!icon || icon.width) continue;
    const letter = name.charAt(0);
    letters.set(letter, { ...letters.get(letter), [name]: drawingOf(icon.body) });
  }
  return letters;
}

/** `virtual:lucide`: all of Lucide, a chunk for each first letter, so that a name loads 2 to 10 KB. */
export const lucide = (): Plugin => {
  let letters: ReturnType<typeof drawings> | undefined;
  return {
    name: 'lucide',
    resolveId: (id) => (id.startsWith(PREFIX) ? id : null),
    load(id) {
      if (!id.startsWith(PREFIX)) return null;
      letters ??= drawings();
      if (id === PREFIX) {
        const entries = [...letters.keys()].map((letter) => `${JSON.stringify(letter)}: () => import('${PREFIX}/lucide-${letter}')`);
        return `export const LETTERS = { ${entries.join(', ')} };`;
      }
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(letters.get(id.slice(-1))))});`;
    },
  };
};
