/** Containers and what orders their content. */
import { use, useEffect, useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { Icon } from '../icons/Icon';
import { useLanguage } from '../i18n/i18n';
import type { ActionConfig, WidgetNode } from '../protocol/types';
import { actionOf, FormContext, Scope, useAction } from './actions';
import { FormHost } from './form';
import { Children, Node } from './Node';
import { Press } from './press';
import { align, background, borderColor, borders, children, flexBox, number, oneOf, pick, px, record, space, spacing, text } from './values';

type Props = { node: WidgetNode };

const themeOf = (node: WidgetNode): 'light' | 'dark' | undefined =>
  node.theme === 'light' || node.theme === 'dark' ? node.theme : undefined;

/** A theme of its own for a part of the page. */
function Themed({ theme, children: inner }: { theme: 'light' | 'dark' | undefined; children: ReactNode }): ReactNode {
  const scope = use(Scope);
  return theme && (theme === 'dark') !== scope.dark ? <Scope value={{ ...scope, dark: theme === 'dark' }}>{inner}</Scope> : inner;
}

const useDark = (theme?: 'light' | 'dark'): boolean => {
  const { dark } = use(Scope);
  return theme ? theme === 'dark' : dark;
};

function Status({ value }: { value: unknown }): ReactNode {
  const status = record(value);
  if (!status) return null;
  const [icon, favicon] = [text(status.icon), text(status.favicon)];
  return (
    <span className="ckw-status">
      {favicon ? <img src={favicon} alt="" data-frame={status.frame === true ? '' : undefined} /> : null}
      {icon ? <Icon name={icon} /> : null}
      <span>{text(status.text)}</span>
    </span>
  );
}

const cardAction = (value: unknown): { label: string; action: ActionConfig } | null => {
  const given = record(value);
  const action = actionOf(given?.action);
  return given && action ? { label: text(given.label), action } : null;
};

export function Card({ node }: Props): ReactNode {
  const theme = themeOf(node);
  const dark = useDark(theme);
  const confirm = cardAction(node.confirm);
  const className = 'ckw-card ckw-surface';
  const fill = background(node.background, dark);
  const padding = record(node.padding) ?? { x: node.padding, y: node.padding };
  const edges = {
    '--ckw-start': space(padding.left ?? padding.x),
    '--ckw-end': space(padding.right ?? padding.x),
    '--ckw-top': space(padding.top ?? padding.y),
    '--ckw-bottom': space(padding.bottom ?? padding.y),
  };
  const style = {
    ...Object.fromEntries(Object.entries(edges).filter(([, value]) => value !== undefined)),
    ...(fill && { background: fill }),
    ...borders(node.border),
  };
  const size = oneOf(node.size, ['sm', 'md', 'lg', 'full'], 'md');
  const inner = <CardBody node={node} confirm={confirm} />;
  return (
    <Themed theme={theme}>
      {node.asForm === true ? (
        <FormHost action={confirm?.action ?? null} className={`${className} ckw-${size}`} style={style} theme={theme}>
          {inner}
        </FormHost>
      ) : (
        <div className={`${className} ckw-${size}`} style={style} data-theme={theme}>
          {inner}
        </div>
      )}
    </Themed>
  );
}

function CardBody({ node, confirm }: Props & { confirm: ReturnType<typeof cardAction> }): ReactNode {
  const { t } = useLanguage();
  const id = useId();
  const [open, setOpen] = useState(false);
  const form = use(FormContext);
  const { loading, run } = useAction('container');
  const cancel = cardAction(node.cancel);
  const collapsed = node.collapsed === true;
  const shown = !collapsed || open;
  const onConfirm = () => {
    if (node.asForm === true && form) form.submit();
    else if (confirm) void run(confirm.action);
  };
  return (
    <>
      {collapsed ? (
        <button type="button" className="ckw-header ckw-toggle" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
          {record(node.status) ? <Status value={node.status} /> : <span className="ckw-status">{t('details')}</span>}
          <span className="ckw-chevron">
            <Icon name="chevron-right" />
          </span>
        </button>
      ) : record(node.status) ? (
        <div className="ckw-header">
          <Status value={node.status} />
        </div>
      ) : null}
      <div className="ckw-body" id={id} hidden={!shown}>
        <Children node={node} />
      </div>
      {shown && (confirm || cancel) ? (
        <div className="ckw-footer">
          {cancel ? (
            <Press look={{ size: 'lg' }} onClick={() => void run(cancel.action)}>
              {cancel.label}
            </Press>
          ) : null}
          {confirm ? (
            <Press look={{ size: 'lg', color: 'primary', variant: 'solid' }} loading={loading} onClick={onConfirm}>
              {confirm.label}
            </Press>
          ) : null}
        </div>
      ) : null}
    </>
  );
}

const AUTO_LIMIT = 5;

export function ListView({ node }: Props): ReactNode {
  const { t } = useLanguage();
  const theme = themeOf(node);
  const [all, setAll] = useState(false);
  const items = children(node);
  const limit = node.limit === 'auto' ? AUTO_LIMIT : number(node.limit);
  const hidden = limit !== undefined && limit > 0 ? Math.max(0, items.length - limit) : 0;
  const shown = hidden && !all ? items.slice(0, limit) : items;
  return (
    <Themed theme={theme}>
      <div className="ckw-list ckw-surface" data-theme={theme}>
        {record(node.status) ? (
          <div className="ckw-header">
            <Status value={node.status} />
          </div>
        ) : null}
        <ul role="list">
          {shown.map((item, index) => (
            <Node key={item.key ?? item.id ?? index} node={item} />
          ))}
        </ul>
        {hidden ? (
          <button type="button" className="ckw-more" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? t('showLess') : t('showCount', { count: hidden })}
          </button>
        ) : null}
      </div>
    </Themed>
  );
}

/** All that a component says, in order: the name of a row that is a button. */
const said = (node: WidgetNode): string =>
  [text(node.value) || text(node.label) || text(node.alt), ...children(node).map(said)].filter(Boolean).join(' ');

export function ListViewItem({ node }: Props): ReactNode {
  const { loading, run } = useAction('self');
  const action = actionOf(node.onClickAction);
  return (
    <li className="ckw-item" data-action={action ? '' : undefined} data-loading={loading ? '' : undefined} aria-busy={loading || undefined}>
      {action ? (
        // Beside the content, not around it: the content may hold buttons of its own.
        <button type="button" className="ckw-hit" aria-label={said(node) || action.type} onClick={() => void run(action)} />
      ) : null}
      <div className="ckw-item-content" style={{ gap: space(node.gap), alignItems: align(node.align) }}>
        <Children node={node} />
      </div>
    </li>
  );
}

function Flex({ node, className }: Props & { className: string }): ReactNode {
  return (
    <div className={`ckw-flex ${className}`} style={flexBox(node, use(Scope).dark)}>
      <Children node={node} />
    </div>
  );
}

export const Box = ({ node }: Props): ReactNode => <Flex node={node} className="ckw-box" />;
export const Row = ({ node }: Props): ReactNode => <Flex node={{ ...node, direction: undefined }} className="ckw-row" />;
export const Col = ({ node }: Props): ReactNode => <Flex node={{ ...node, direction: undefined }} className="ckw-col" />;

export function Form({ node }: Props): ReactNode {
  return (
    <FormHost action={actionOf(node.onSubmitAction)} className="ckw-flex ckw-form" style={flexBox(node, use(Scope).dark)}>
      <Children node={node} />
    </FormHost>
  );
}

export function Basic({ node }: Props): ReactNode {
  const theme = themeOf(node);
  return (
    <Themed theme={theme}>
      <div className="ckw-flex ckw-basic" style={flexBox(node, useDark(theme))} data-theme={theme}>
        <Children node={node} />
      </div>
    </Themed>
  );
}

export const Spacer = ({ node }: Props): ReactNode => <div className="ckw-spacer" style={{ flexBasis: px(node.minSize), minBlockSize: 0 }} />;

export function Divider({ node }: Props): ReactNode {
  const line = px(node.size);
  const around = space(node.spacing);
  return (
    <hr
      className="ckw-divider"
      data-flush={node.flush === true ? '' : undefined}
      style={{ '--line': line, '--around': around, background: borderColor(node.color) } as React.CSSProperties}
    />
  );
}

const LEAVING_MS = 200;

/** Fades a component in when it takes another's place, and eases the height from the one's to the other's. */
export function Transition({ node }: Props): ReactNode {
  const child = children(node)[0] ?? null;
  const identity = child ? `${child.type} ${text(child.key ?? child.id)}` : '';
  const [leaving, setLeaving] = useState<{ child: WidgetNode; identity: string } | null>(null);
  const last = useRef({ child, identity });
  const box = useRef<HTMLDivElement>(null);
  const height = useRef(0);
  useLayoutEffect(() => {
    const before = last.current;
    last.current = { child, identity };
    if (before.identity !== identity) setLeaving(before.child ? { child: before.child, identity: before.identity } : null);
  }, [child, identity]);
  useEffect(() => {
    if (!leaving) return;
    const timer = setTimeout(() => setLeaving(null), LEAVING_MS);
    return () => clearTimeout(timer);
  }, [leaving]);
  useLayoutEffect(() => {
    const element = box.current;
    const now = element?.offsetHeight ?? 0;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (element && height.current && height.current !== now && !still)
      element.animate([{ height: `${height.current}px` }, { height: `${now}px` }], { duration: LEAVING_MS, easing: 'ease-out' });
    height.current = now;
  });
  return (
    <div className="ckw-transition" ref={box}>
      {leaving && leaving.identity !== identity ? (
        <div key={leaving.identity} className="ckw-leaving" inert aria-hidden="true">
          <Node node={leaving.child} />
        </div>
      ) : null}
      {child ? (
        <div key={identity} className="ckw-entering">
          <Node node={child} />
        </div>
      ) : null}
    </div>
  );
}

const TABLE_ALIGNS = ['start', 'center', 'end'] as const;

export function Table({ node }: Props): ReactNode {
  const rows = children(node);
  const headers = rows.filter((row) => row.header === true);
  return (
    // Wide tables scroll inside of the widget; the keyboard can do so, too.
    <div className="ckw-table" tabIndex={0} role="group">
      <table>
        {headers.length ? <thead>{headers.map((row, index) => <Node key={row.key ?? row.id ?? index} node={row} />)}</thead> : null}
        <tbody>
          {rows.filter((row) => row.header !== true).map((row, index) => (
            <Node key={row.key ?? row.id ?? index} node={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function TableRow({ node }: Props): ReactNode {
  return (
    <tr>
      {children(node).map((cell, index) => (
        <Node key={cell.key ?? cell.id ?? index} node={node.header === true ? { ...cell, header: true } : cell} />
      ))}
    </tr>
  );
}

const COL_SIZES: Record<string, string> = { xs: '3rem', sm: '5rem', md: '8rem', lg: '12rem', xl: '16rem' };
const V_ALIGNS: Record<string, string> = { start: 'top', center: 'middle', end: 'bottom' };

export function TableCell({ node }: Props): ReactNode {
  const Tag = node.header === true ? 'th' : 'td';
  return (
    <Tag
      scope={node.header === true ? 'col' : undefined}
      colSpan={number(node.colSpan)}
      rowSpan={number(node.rowSpan)}
      data-align={oneOf(node.align, TABLE_ALIGNS, undefined as never)}
      style={{ width: px(node.width) ?? pick(COL_SIZES, node.colSize), verticalAlign: pick(V_ALIGNS, node.vAlign), ...spacing('padding', node.padding) }}
    >
      <div className="ckw-cell">
        <Children node={node} />
      </div>
    </Tag>
  );
}

