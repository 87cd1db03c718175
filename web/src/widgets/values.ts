/** Values of widget props as CSS: spacing units, sizes, colors, borders; unusable values are left out. */
import type { CSSProperties } from 'react';
import type { WidgetNode } from '../protocol/types';

type Props = Record<string, unknown>;
type Style = Record<string, string | number>;

const TEXT_COLORS: Record<string, string> = {
  prose: '--gray-900',
  primary: '--color-text',
  emphasis: '--gray-1000',
  secondary: '--color-text-secondary',
  tertiary: '--color-text-tertiary',
  success: '--color-text-success',
  warning: '--color-text-warning',
  danger: '--color-text-danger',
};
const BORDER_COLORS: Record<string, string> = {
  default: '--color-border',
  subtle: '--color-border-subtle',
  strong: '--color-border-strong',
};
const CHART_COLORS: Record<string, string> = Object.fromEntries(
  ['blue', 'purple', 'orange', 'green', 'red', 'yellow', 'pink'].map((name) => [name, `--${name}-400`]),
);
const SURFACES: Record<string, string> = Object.fromEntries(
  ['surface', 'surface-secondary', 'surface-tertiary', 'surface-elevated', 'surface-elevated-secondary'].map((name) => [
    name,
    `--color-${name}`,
  ]),
);
const PRIMITIVE = /^(gray|red|orange|yellow|green|blue|purple|pink)-\d+$/;
const NUMBER = /^-?\d*\.?\d+$/;

export const record = (value: unknown): Props | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Props) : null;

/** A text to show: templates may give numbers and null where the component takes a string. */
export const text = (value: unknown): string => (value == null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));

export const number = (value: unknown): number | undefined => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : undefined;
};

/** The entry of a table; names that every object has are none of its entries. */
export const pick = <T>(table: Record<string, T>, key: unknown): T | undefined =>
  typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined;

/** One of the values of a prop; anything else counts as not set. */
export const oneOf = <T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T =>
  allowed.includes(value as T) ? (value as T) : otherwise;

export const children = (node: WidgetNode): WidgetNode[] => {
  const value = node.children;
  const list = Array.isArray(value) ? value : value == null ? [] : [value];
  return list.filter((child): child is WidgetNode => typeof record(child)?.type === 'string');
};

/** A length: numbers are pixels. */
export const px = (value: unknown): string | undefined => {
  const amount = number(value);
  if (amount !== undefined) return `${amount}px`;
  return typeof value === 'string' && value ? value : undefined;
};

/** A distance: numbers are steps of `--spacing` (4 px). */
export const space = (value: unknown): string | undefined => {
  const amount = number(value);
  if (amount !== undefined) return amount === 0 ? '0px' : `calc(var(--spacing) * ${amount})`;
  return typeof value === 'string' && value ? value : undefined;
};

const token = (value: string, tokens: Record<string, string>): string => {
  const name = pick(tokens, value) ?? (PRIMITIVE.test(value) ? `--${value}` : undefined);
  return name ? `var(${name})` : value;
};

const colorOf = (value: unknown, tokens: Record<string, string>): string | undefined => {
  if (typeof value === 'string') return value ? token(value, tokens) : undefined;
  const pair = record(value);
  if (!pair) return undefined;
  const [light, dark] = [pair.light, pair.dark].map((side) => (typeof side === 'string' ? token(side, tokens) : undefined));
  return light && dark ? `light-dark(${light}, ${dark})` : (light ?? dark);
};

export const textColor = (value: unknown) => colorOf(value, TEXT_COLORS);
export const borderColor = (value: unknown) => colorOf(value, BORDER_COLORS);
export const chartColor = (value: unknown) => colorOf(value, CHART_COLORS);

/** A background may also be a gradient, which a `light-dark()` cannot hold: the side is then chosen by the theme. */
export const background = (value: unknown, dark: boolean): string | undefined => {
  const pair = record(value);
  return colorOf(pair ? (dark ? (pair.dark ?? pair.light) : (pair.light ?? pair.dark)) : value, SURFACES);
};

export const radius = (value: unknown): string | undefined => {
  if (typeof value !== 'string' || !value) return undefined;
  if (value === 'none') return '0px';
  return /^(\d?x[sl]|[sml][mdg]|full)$/.test(value) ? `var(--radius-${value})` : value;
};

const SIDES: [string, string[]][] = [
  ['x', ['InlineStart', 'InlineEnd']],
  ['y', ['BlockStart', 'BlockEnd']],
  ['left', ['InlineStart']],
  ['right', ['InlineEnd']],
  ['top', ['BlockStart']],
  ['bottom', ['BlockEnd']],
];

/** Padding or margin; left and right are the start and the end of a line, so that a widget mirrors with its language. */
export const spacing = (name: 'padding' | 'margin', value: unknown): Style => {
  const sides = record(value);
  const all = sides ? undefined : space(value);
  if (!sides) return all === undefined ? {} : { [name]: all };
  const style: Style = {};
  for (const [key, edges] of SIDES) {
    const distance = space(sides[key]);
    if (distance !== undefined) for (const edge of edges) style[name + edge] = distance;
  }
  return style;
};

const border = (value: unknown): string | undefined => {
  const width = number(value);
  if (width !== undefined) return `${width}px solid var(--color-border)`;
  const parts = record(value);
  const size = number(parts?.size);
  if (!parts || size === undefined) return undefined;
  return `${size}px ${text(parts.style ?? 'solid')} ${borderColor(parts.color) ?? 'var(--color-border)'}`;
};

export const borders = (value: unknown): Style => {
  const whole = border(value);
  if (whole) return { border: whole };
  const sides = record(value);
  const style: Style = {};
  for (const [key, edges] of sides ? SIDES : []) {
    const line = border(sides?.[key]);
    if (line) for (const edge of edges) style[`border${edge}`] = line;
  }
  return style;
};

const LENGTHS = ['height', 'width', 'minHeight', 'minWidth', 'maxHeight', 'maxWidth'] as const;

/** Sizes, margin, radius, ratio and growth, which Box, Image and Chart share. */
export const block = (node: Props): Style => {
  const style: Style = {};
  for (const name of LENGTHS) {
    const short = name.replace(/Height|Width/, 'Size').replace(/height|width/, 'size');
    const length = px(node[name] ?? node[short]);
    if (length) style[name] = length;
  }
  const flex = text(node.flex);
  const ratio = text(node.aspectRatio);
  const corner = radius(node.radius);
  return {
    ...style,
    ...(flex && { flex }),
    ...(ratio && { aspectRatio: ratio }),
    ...(corner && { borderRadius: corner }),
    ...spacing('margin', node.margin),
  };
};

const ALIGN: Record<string, string> = { start: 'flex-start', end: 'flex-end' };
const JUSTIFY: Record<string, string> = { ...ALIGN, between: 'space-between', around: 'space-around', evenly: 'space-evenly' };

export const align = (value: unknown): string | undefined =>
  typeof value === 'string' && value ? (pick(ALIGN, value) ?? value) : undefined;

/** The style of a flex container. */
export const flexBox = (node: Props, dark: boolean): CSSProperties => {
  const fill = background(node.background, dark);
  const gap = space(node.gap);
  const items = align(node.align);
  const justify = text(node.justify);
  const wrap = text(node.wrap);
  return {
    ...(node.direction === 'row' || node.direction === 'col' ? { flexDirection: node.direction === 'row' ? 'row' : 'column' } : {}),
    ...(gap !== undefined && { gap }),
    ...(items && { alignItems: items }),
    ...(justify && { justifyContent: pick(JUSTIFY, justify) ?? justify }),
    ...(wrap && { flexWrap: wrap as 'wrap' }),
    ...(fill && { background: fill }),
    ...block(node),
    ...spacing('padding', node.padding),
    ...borders(node.border),
  };
};
