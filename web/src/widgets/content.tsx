/** What widgets say and show: texts, badges, icons, images, Markdown. */
import { Suspense, use, useRef, type CSSProperties, type ReactNode } from 'react';
import { Icon as NamedIcon } from '../icons/Icon';
import { useLanguage } from '../i18n/i18n';
import { Markdown as MarkdownView } from '../markdown';
import type { WidgetNode } from '../protocol/types';
import { Scope } from './actions';
import { autofill, useField, usePattern } from './form';
import { background, block, number, oneOf, pick, px, record, text, textColor } from './values';

type Props = { node: WidgetNode };

const WEIGHTS: Record<string, string> = { normal: '400', medium: '500', semibold: '600', bold: '700' };
const ALIGNS = ['start', 'center', 'end'] as const;
// The size of the letters and the height of a line, in rem.
type Sizes = Record<string, readonly [font: number, line: number]>;
const TEXT: Sizes = { xs: [0.75, 1.125], sm: [0.875, 1.25], md: [1, 1.5], lg: [1.125, 1.625], xl: [1.25, 1.75] };
const CAPTION: Sizes = { sm: [0.6875, 1], md: [0.75, 1.125], lg: [0.875, 1.25] };
const TITLE: Sizes = {
  sm: [1.125, 1.5],
  md: [1.25, 1.625],
  lg: [1.5, 1.8],
  xl: [2, 2.4],
  '2xl': [2.25, 2.5],
  '3xl': [3, 3.3],
  '4xl': [3.75, 4.1],
  '5xl': [4.5, 5],
};
const ICON: Record<string, number> = { xs: 0.875, sm: 1, md: 1.125, lg: 1.25, xl: 1.5, '2xl': 2, '3xl': 2.5 };

/** The style of a text, and its limits of lines. */
const type = (node: WidgetNode, sizes: Sizes, usual = 'md'): { style: CSSProperties; 'data-lines'?: string } => {
  const most = node.truncate === true ? 1 : number(node.maxLines);
  const least = number(node.minLines);
  const side = oneOf(node.textAlign, ALIGNS, undefined as never);
  const [font, line] = (pick(sizes, node.size) ?? sizes[usual]) as [number, number];
  const style: CSSProperties & Record<string, unknown> = {
    fontSize: `${font}rem`,
    lineHeight: `${line}rem`,
    letterSpacing: font > 2 ? '-0.02em' : undefined,
    color: textColor(node.color),
    fontWeight: pick(WEIGHTS, node.weight),
    textAlign: side,
    width: px(node.width),
    fontStyle: node.italic === true ? 'italic' : undefined,
    textDecoration: node.lineThrough === true ? 'line-through' : undefined,
    minHeight: least ? `${least}lh` : undefined,
  };
  if (!most) return { style };
  style['--lines'] = most;
  return { style, 'data-lines': most === 1 ? 'one' : 'many' };
};

/** A text that still grows: what came last fades in. */
function Growing({ value }: { value: string }): ReactNode {
  const shown = useRef('');
  const before = value.startsWith(shown.current) ? shown.current : '';
  const added = value.slice(before.length);
  const kept = useRef({ before, added });
  if (added) {
    kept.current = { before, added };
    shown.current = value;
  }
  const { before: old, added: last } = kept.current;
  return (
    <>
      {old}
      <span key={value.length} className="ckw-fade">
        {last}
      </span>
    </>
  );
}

export function Text({ node }: Props): ReactNode {
  if (record(node.editable)) return <EditableText node={node} />;
  const value = text(node.value);
  return (
    <p className="ckw-text" {...type(node, TEXT)}>
      {node.streaming === true ? <Growing value={value} /> : value}
    </p>
  );
}

/** A text that is a field: it looks like the text, with a line below it, and grows with what is typed. */
function EditableText({ node }: Props): ReactNode {
  const edit = record(node.editable) ?? {};
  const field = useField(edit);
  const match = usePattern(edit.pattern, useLanguage().t('wrongFormat'));
  const one = node.truncate === true || number(node.maxLines) === 1;
  const { style } = type(node, TEXT);
  const least = number(node.minLines) ?? 1;
  return (
    <span className="ckw-field" data-block="">
      <textarea
        key={text(node.value)}
        ref={(element) => {
          if (element) match(element);
        }}
        {...field.props}
        {...autofill(edit.allowAutofillExtensions, edit.autoComplete)}
        className="ckw-text ckw-editable"
        data-line=""
        style={{ ...style, minHeight: undefined, '--rows': least, ...(one ? { '--most': 1 } : {}) } as CSSProperties}
        rows={least}
        defaultValue={text(node.value)}
        placeholder={text(edit.placeholder) || undefined}
        required={edit.required === true}
        autoFocus={edit.autoFocus === true}
        onFocus={(event) => edit.autoSelect === true && event.currentTarget.select()}
        onInput={(event) => {
          match(event.currentTarget);
          field.props.onInput(event);
        }}
      />
      {field.error}
    </span>
  );
}

export function Title({ node }: Props): ReactNode {
  return (
    <h2 className="ckw-title" {...type(node, TITLE)}>
      {text(node.value)}
    </h2>
  );
}

export function Caption({ node }: Props): ReactNode {
  return (
    <p className="ckw-caption" {...type(node, CAPTION)}>
      {text(node.value)}
    </p>
  );
}

export function Label({ node }: Props): ReactNode {
  const id = `${use(Scope).id}-${text(node.fieldName)}`;
  return (
    <label className="ckw-label" id={`${id}-label`} htmlFor={id} {...type(node, TEXT, 'sm')}>
      {text(node.value)}
    </label>
  );
}

export function Markdown({ node }: Props): ReactNode {
  const source = text(node.value);
  return (
    <div className="ckw-markdown">
      <Suspense fallback={<p className="ckw-text">{source}</p>}>
        <MarkdownView source={source} streaming={node.streaming === true} />
      </Suspense>
    </div>
  );
}

export function Badge({ node }: Props): ReactNode {
  const color = oneOf(node.color, ['secondary', 'success', 'danger', 'warning', 'info', 'discovery'], 'secondary');
  return (
    <span
      className="ckw-badge"
      data-color={color}
      data-variant={oneOf(node.variant, ['solid', 'soft', 'outline'], 'soft')}
      data-size={oneOf(node.size, ['sm', 'md', 'lg'], 'sm')}
      data-pill={node.pill === true ? '' : undefined}
    >
      {text(node.label)}
    </span>
  );
}

export function Icon({ node }: Props): ReactNode {
  return (
    <span className="ckw-icon" style={{ fontSize: `${pick(ICON, node.size) ?? ICON.md}rem`, color: textColor(node.color) }}>
      <NamedIcon name={text(node.name)} />
    </span>
  );
}

const FITS = ['cover', 'contain', 'fill', 'scale-down', 'none'] as const;

export function Image({ node }: Props): ReactNode {
  const { dark } = use(Scope);
  return (
    <img
      className="ckw-image"
      src={text(node.src)}
      alt={text(node.alt)}
      loading="lazy"
      draggable={false}
      data-frame={node.frame === true ? '' : undefined}
      data-flush={node.flush === true ? '' : undefined}
      style={{
        objectFit: oneOf(node.fit, FITS, 'cover'),
        objectPosition: text(node.position) || undefined,
        background: background(node.background, dark),
        ...block(node),
      }}
    />
  );
}
