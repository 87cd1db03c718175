/** Markdown as React elements, without HTML: raw HTML is shown as text, addresses are checked by their scheme. */
import { Fragment, memo, useRef, type ReactNode } from 'react';
import type { Token, Tokens, TokensList } from 'marked';
import type { Annotation } from '../protocol/types';
import { healTail, readBlocks, rereadBlock, type Block, type Blocks, type MathToken } from './blocks';
import { Code } from './Code';
import { decode } from './entities';
import type { MarkdownProps } from './index';
import { Tex } from './Tex';
import './markdown.css';

type Group = readonly Annotation[];
type Settings = Pick<MarkdownProps, 'renderAnnotations' | 'imageHosts'>;

interface Context extends Settings {
  groups: readonly Group[];
  /** Inside of a link: references are put after it. */
  after?: ReactNode[];
}

// A place of references in a text that is read again. Both are punctuation, so that emphasis may end before them.
const MARK = /⸨(\d+)⸩/;
const MARKS = /⸨\d+⸩/g;

const reference = (context: Context, index: number, key: string | number): ReactNode => {
  const group = context.groups[index];
  return group && context.renderAnnotations ? <Fragment key={key}>{context.renderAnnotations(group)}</Fragment> : null;
};

/** A text with its references. */
const say = (text: string, context: Context): ReactNode => {
  const parts = decode(text).split(MARK);
  if (parts.length === 1) return parts[0];
  return parts.map((part, index) => {
    if (index % 2 === 0) return part;
    const shown = reference(context, Number(part), index);
    if (!context.after) return shown;
    context.after.push(shown);
    return null;
  });
};

/** The references of a text whose marks `clean` has removed: they are shown after it. */
const behind = (raw: string, context: Context): ReactNode[] => (raw.match(MARKS) ?? []).map((mark, index) => reference(context, Number(mark.slice(1, -1)), `after ${index}`));

const clean = (text: string): string => text.replace(MARKS, '');

const LINK = /^(?:https?|mailto|tel|chatkit-link):/i;

function link(token: Tokens.Link, key: number, context: Context): ReactNode {
  const href = clean(decode(token.href));
  if (!LINK.test(href)) return <Fragment key={key}>{inline(token.tokens, context)}</Fragment>;
  const after: ReactNode[] = [];
  const content = inline(token.tokens, { ...context, after });
  const outside = /^https?:/i.test(href) ? { target: '_blank', rel: 'noopener noreferrer nofollow' } : {};
  return (
    <Fragment key={key}>
      <a href={href} title={token.title ? clean(decode(token.title)) : undefined} {...outside}>
        {content}
      </a>
      {context.after ? (context.after.push(...after), null) : after}
    </Fragment>
  );
}

const allowed = (address: string, hosts: readonly string[] | null | undefined): boolean => {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol !== 'https:') return false;
  return !hosts || hosts.some((host) => url.hostname === host || url.hostname.endsWith(`.${host}`));
};

function image(token: Tokens.Image, key: number, context: Context): ReactNode {
  const source = clean(decode(token.href));
  const alt = clean(decode(token.text));
  const shown = allowed(source, context.imageHosts) ? (
    <img src={source} alt={alt} title={token.title ? clean(decode(token.title)) : undefined} loading="lazy" referrerPolicy="no-referrer" />
  ) : LINK.test(source) && !context.after ? (
    <a href={source} target="_blank" rel="noopener noreferrer nofollow">
      {alt || source}
    </a>
  ) : (
    alt || source
  );
  return (
    <Fragment key={key}>
      {shown}
      {behind(token.raw, context)}
    </Fragment>
  );
}

const inline = (tokens: readonly Token[] | undefined, context: Context): ReactNode => tokens?.map((token, key) => span(token, key, context));

function span(token: Token, key: number, context: Context): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong key={key}>{inline(token.tokens, context)}</strong>;
    case 'em':
      return <em key={key}>{inline(token.tokens, context)}</em>;
    case 'del':
      return <del key={key}>{inline(token.tokens, context)}</del>;
    case 'codespan':
      return (
        <Fragment key={key}>
          <code>{clean(String(token.text))}</code>
          {behind(token.raw, context)}
        </Fragment>
      );
    case 'br':
      return <br key={key} />;
    case 'link':
      return link(token as Tokens.Link, key, context);
    case 'image':
      return image(token as Tokens.Image, key, context);
    case 'math':
      return (
        <Fragment key={key}>
          <Tex tex={clean((token as MathToken).tex)} display={(token as MathToken).display} />
          {behind(token.raw, context)}
        </Fragment>
      );
    case 'checkbox':
      return null;
    case 'html':
      if (/^<br\s*\/?>$/i.test(token.raw.trim())) return <br key={key} />;
      return <Fragment key={key}>{say(token.raw, context)}</Fragment>;
    case 'escape':
      return <Fragment key={key}>{token.text}</Fragment>;
    default: {
      const nested = (token as Tokens.Text).tokens;
      return <Fragment key={key}>{nested ? inline(nested, context) : say(String((token as Tokens.Text).text ?? token.raw), context)}</Fragment>;
    }
  }
}

function item(entry: Tokens.ListItem, key: number, loose: boolean, context: Context): ReactNode {
  return (
    <li key={key} className={entry.task ? 'ck-task' : undefined}>
      {entry.task ? <input type="checkbox" checked={entry.checked === true} disabled aria-label={clean(decode(entry.text)).slice(0, 80)} /> : null}
      {entry.tokens.map((token, index) => {
        if (token.type !== 'text') return block(token, index, context);
        const content = span(token, index, context);
        return loose ? <p key={index}>{content}</p> : content;
      })}
    </li>
  );
}

function table(token: Tokens.Table, key: number, context: Context): ReactNode {
  const cells = (row: Tokens.TableCell[], Tag: 'th' | 'td') =>
    row.map((cell, index) => (
      <Tag key={index} scope={Tag === 'th' ? 'col' : undefined} data-align={token.align[index] ?? undefined}>
        {inline(cell.tokens, context)}
      </Tag>
    ));
  return (
    // Wide tables scroll; so can the keyboard.
    <div key={key} className="ck-table" tabIndex={0} role="group">
      <table>
        <thead>
          <tr>{cells(token.header, 'th')}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{cells(row, 'td')}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function block(token: Token, key: number, context: Context): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
    case 'checkbox':
      return null;
    case 'heading': {
      // The first level is the page's.
      const Tag = `h${Math.min(6, (token as Tokens.Heading).depth + 1)}` as 'h2';
      return <Tag key={key} dir="auto">{inline(token.tokens, context)}</Tag>;
    }
    case 'paragraph':
      return <p key={key} dir="auto">{inline(token.tokens, context)}</p>;
    case 'text':
      return <p key={key} dir="auto">{span(token, 0, context)}</p>;
    case 'code':
      return <Code key={key} source={clean(String(token.text))} language={/^\S*/.exec(decode(String(token.lang ?? '')))?.[0] ?? ''} />;
    case 'blockquote':
      return <blockquote key={key} dir="auto">{token.tokens?.map((inner, index) => block(inner, index, context))}</blockquote>;
    case 'list': {
      const { ordered, start, loose, items } = token as Tokens.List;
      const entries = items.map((entry, index) => item(entry, index, loose, context));
      return ordered ? (
        <ol key={key} dir="auto" start={start === 1 || start === '' ? undefined : start}>
          {entries}
        </ol>
      ) : (
        <ul key={key} dir="auto">{entries}</ul>
      );
    }
    case 'table':
      return table(token as Tokens.Table, key, context);
    case 'hr':
      return <hr key={key} />;
    case 'math':
      return (
        <p key={key} className="ck-math">
          <Tex tex={clean((token as MathToken).tex)} display />
        </p>
      );
    case 'html':
      return (
        <p key={key} className="ck-raw">
          {say(token.raw.trimEnd(), context)}
        </p>
      );
    default:
      return <p key={key} dir="auto">{say(token.raw, context)}</p>;
  }
}

interface BlockProps {
  token: Token;
  links: TokensList['links'];
  open: boolean;
  /** The references of the block by their places in its source, in order. */
  marks: readonly { at: number; group: Group }[];
  settings: Settings;
}

const INSIDE = ['paragraph', 'heading', 'list', 'blockquote', 'text'];

const BlockView = memo(
  function BlockView({ token, links, open, marks, settings }: BlockProps): ReactNode {
    const context: Context = { ...settings, groups: marks.map(({ group }) => group) };
    let raw = token.raw;
    if (!INSIDE.includes(token.type)) return [block(token, 0, context), ...marks.map((_, index) => reference(context, index, index + 1))];
    for (const [index, { at }] of [...marks.entries()].reverse()) raw = `${raw.slice(0, at)}⸨${index}⸩${raw.slice(at)}`;
    if (open) raw = healTail(raw);
    const read = raw === token.raw ? token : rereadBlock(raw, token.type, links);
    if (read) return block(read, 0, context);
    return [block(token, 0, context), ...marks.map((_, index) => reference(context, index, index + 1))];
  },
  (before, now) =>
    before.token.raw === now.token.raw &&
    before.token.type === now.token.type &&
    before.open === now.open &&
    before.links === now.links &&
    (now.marks.length === 0 || before.settings.renderAnnotations === now.settings.renderAnnotations) &&
    before.settings.imageHosts === now.settings.imageHosts &&
    before.marks.length === now.marks.length &&
    before.marks.every((mark, index) => mark.at === now.marks[index]?.at && mark.group.length === now.marks[index]?.group.length),
);

/** Where a number of characters (not UTF-16 units) ends, before the white space that is there. */
const offsetOf = (source: string, characters: number): number => {
  let offset = 0;
  for (let count = 0; count < characters && offset < source.length; count += 1) offset += (source.codePointAt(offset) as number) > 0xffff ? 2 : 1;
  while (offset > 0 && /\s/.test(source[offset - 1] as string)) offset -= 1;
  return offset;
};

/** Group the references by their places; those without one, or beyond the text, are at its end. */
const groupsOf = (source: string, annotations: readonly Annotation[]): { at: number; group: Annotation[] }[] => {
  const places = new Map<number, Annotation[]>();
  const length = [...source].length;
  for (const annotation of annotations) {
    const at = offsetOf(source, Math.min(annotation.index ?? length, length));
    places.set(at, [...(places.get(at) ?? []), annotation]);
  }
  return [...places].sort(([one], [other]) => one - other).map(([at, group]) => ({ at, group }));
};

const NONE: BlockProps['marks'] = [];

const marksOf = (groups: readonly { at: number; group: Group }[], { start }: Block, next: Block | undefined): BlockProps['marks'] => {
  const end = next?.start ?? Infinity;
  const own = groups.filter(({ at }) => (at > start || start === 0) && at <= end && (at < end || !next));
  return own.length ? own.map(({ at, group }) => ({ at: at - start, group })) : NONE;
};

export default function Markdown({ source, streaming, annotations, renderAnnotations, imageHosts }: MarkdownProps): ReactNode {
  const before = useRef<Blocks>(undefined);
  const blocks = readBlocks(source, before.current);
  before.current = blocks;
  const groups = annotations?.length && renderAnnotations ? groupsOf(blocks.source, annotations) : [];
  const settings: Settings = { renderAnnotations, imageHosts };
  const last = blocks.list.length - 1;
  return (
    <div className="ck-markdown" data-streaming={streaming ? '' : undefined}>
      {blocks.list.map((entry, index) => (
        <BlockView
          key={index}
          token={entry.token}
          links={blocks.links}
          open={streaming === true && index === last}
          marks={groups.length ? marksOf(groups, entry, blocks.list[index + 1]) : NONE}
          settings={settings}
        />
      ))}
    </div>
  );
}
