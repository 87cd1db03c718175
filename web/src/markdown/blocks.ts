/** Markdown as blocks, by marked's lexer; a text that grows is read again from the start of its last block only. */
import { Lexer, type MarkedOptions, type Token, type TokensList } from 'marked';

export interface Block {
  token: Token;
  /** Where it begins in the source. */
  start: number;
}

export interface Blocks {
  source: string;
  list: Block[];
  links: TokensList['links'];
}

/** A formula: `$x$`, `$$x$$`, `\(x\)` or `\[x\]`. */
export interface MathToken {
  type: 'math';
  raw: string;
  tex: string;
  display: boolean;
}

const math = (raw: string, tex: string, display: boolean): MathToken => ({ type: 'math', raw, tex: tex.trim(), display });

// `$5 and $10` is no formula: no space inside of the signs, no digit after them.
const INLINE = /^(?:\\\(([^]+?)\\\)|\\\[([^]+?)\\\]|\$\$([^$]+?)\$\$|\$(?![\s$])((?:\\.|[^\\$\n])*?(?:\\.|[^\\$\s]))\$(?!\d))/;
// TeX allows no blank line either. With one, the end of a formula would change the blocks before the last.
const BLOCK = /^ {0,3}(?:\$\$((?:(?!\n[ \t]*\n)[^])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[^])+?)\\\])[ \t]*(?:\n|$)/;

const extensions = {
  renderers: {},
  childTokens: {},
  inline: [
    (source: string) => {
      const found = INLINE.exec(source);
      if (!found) return undefined;
      const [raw, round, square, double, single] = found;
      return math(raw, round ?? square ?? double ?? single ?? '', square !== undefined || double !== undefined);
    },
  ],
  startInline: [(source: string) => /\$|\\[([]/.exec(source)?.index],
  block: [
    (source: string) => {
      const found = BLOCK.exec(source);
      return found ? math(found[0], found[1] ?? found[2] ?? '', true) : undefined;
    },
  ],
  startBlock: [(source: string) => /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(source)?.index],
};

const options = { gfm: true, extensions } as unknown as MarkedOptions;

const lex = (source: string, links: TokensList['links']): { tokens: Token[]; links: TokensList['links'] } => {
  const lexer = new Lexer(options);
  Object.assign(lexer.tokens.links, links);
  const tokens = lexer.lex(source);
  return { tokens, links: lexer.tokens.links };
};

const place = (tokens: Token[], from: number): Block[] => {
  let start = from;
  const list: Block[] = [];
  for (const token of tokens) {
    if (token.type !== 'space') list.push({ token, start });
    start += token.raw.length;
  }
  return list;
};

export const readBlocks = (text: string, before?: Blocks): Blocks => {
  const source = text.replace(/\r\n?/g, '\n');
  const last = before?.list[before.list.length - 1];
  // The rest of a definition's address may follow: the blocks before it would keep the half.
  if (before && last && last.token.type !== 'def' && source.startsWith(before.source)) {
    if (source === before.source) return before;
    const tail = lex(source.slice(last.start), before.links);
    // A new definition changes the blocks before it that refer to it.
    if (Object.keys(tail.links).length === Object.keys(before.links).length)
      return { source, list: [...before.list.slice(0, -1), ...place(tail.tokens, last.start)], links: before.links };
  }
  const whole = lex(source, {});
  return { source, list: place(whole.tokens, 0), links: whole.links };
};

/** Read one block again with changes in its text; null: it would be another kind of block, or several. */
export const rereadBlock = (raw: string, type: string, links: TokensList['links']): Token | null => {
  const { tokens } = lex(raw, links);
  const blocks = tokens.filter((token) => token.type !== 'space');
  return blocks.length === 1 && blocks[0]?.type === type ? blocks[0] : null;
};

/**
 * Complete the end of a text that still grows, so that half of a mark is not shown and taken back: open emphasis and
 * code are closed, of half a link its text remains.
 */
export const healTail = (raw: string): string => {
  let text = raw.replace(/!?\[([^[\]]*)\]\([^()\s]*$/, '$1').replace(/(^|\s)(\*{1,3}|_{1,3}|~~|`+)$/, '$1');
  for (const mark of ['`', '**', '~~']) {
    const outside = mark === '`' ? text : text.replace(/`[^`]*`/g, '');
    if (outside.split(mark).length % 2 === 0) text = text.replace(/\s*$/, (space) => mark + space);
  }
  return text;
};
