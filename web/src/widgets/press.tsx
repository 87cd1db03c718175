/** The look of buttons, and the measures that they share with fields. */
import type { CSSProperties, ReactNode } from 'react';
import { oneOf } from './values';

const SIZES = ['3xs', '2xs', 'xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl'] as const;
const COLORS = ['primary', 'secondary', 'info', 'discovery', 'success', 'caution', 'warning', 'danger'] as const;
export const VARIANTS = ['solid', 'soft', 'outline', 'ghost'] as const;
type Size = (typeof SIZES)[number];
const GUTTERS = ['2xs', 'xs', 'sm', 'md', 'lg', 'xl'] as const;
const ICON_SIZES = ['sm', 'md', 'lg', 'xl', '2xl'] as const;

// What differs from the usual gutter, corner and letters of a size.
const GUTTER_OF: Partial<Record<Size, string>> = { '3xs': '2xs', '2xs': 'xs', xs: 'xs', lg: 'md', xl: 'lg', '2xl': 'xl', '3xl': 'xl' };
const CORNER_OF: Partial<Record<Size, string>> = { '3xs': 'sm', '2xs': 'sm', xl: 'lg', '2xl': 'xl', '3xl': 'xl' };
const LETTERS_OF: Partial<Record<Size, string>> = { '3xs': '0.75rem', '2xs': '0.75rem', '2xl': '1rem', '3xl': '1rem' };
const ICON_OF: Partial<Record<Size, string>> = { '3xs': 'xs', '2xs': 'sm', xs: 'sm', '2xl': 'lg', '3xl': 'xl' };

/** The measures of a control, which its box, its arrow and its button for clearing share. */
export const measures = (node: Record<string, unknown>): CSSProperties => {
  const size = oneOf(node.size, SIZES, 'md');
  const gutter = `var(--control-gutter-${oneOf(node.gutterSize, GUTTERS, (GUTTER_OF[size] ?? 'sm') as 'sm')})`;
  const pill = node.pill === true;
  return {
    '--size': `var(--control-size-${size})`,
    '--gutter': pill && node.gutterSize == null ? `calc(${gutter} * var(--control-gutter-pill-scaling))` : gutter,
    // The theme says what a pill is.
    '--corner': pill ? 'var(--ck-radius-control, var(--radius-full))' : `var(--control-radius-${CORNER_OF[size] ?? 'md'})`,
    '--type': LETTERS_OF[size],
  } as CSSProperties;
};

// Dark enough for white letters.
const SOLID: Partial<Record<(typeof COLORS)[number], string>> = {
  info: 'blue-500',
  discovery: 'purple-500',
  success: 'green-600',
  caution: 'yellow-700',
  warning: 'orange-600',
  danger: 'red-500',
};

const paint = (color: (typeof COLORS)[number], variant: (typeof VARIANTS)[number]): Record<string, string> => {
  const solid = SOLID[color];
  const ink = solid ? `var(--ckw-${color})` : color === 'primary' || variant === 'soft' ? 'var(--color-text)' : 'var(--color-text-secondary)';
  if (variant === 'solid')
    return solid
      ? { '--fill': `var(--${solid})`, '--ink': '#fff' }
      : { '--fill': `var(--color-background-${color}-solid)`, '--ink': `var(--color-text-${color}-solid)` };
  if (variant === 'soft') return { '--fill': `var(--color-background-${color}-soft-alpha)`, '--ink': ink };
  return { '--ink': ink, ...(variant === 'outline' && { '--line': solid ? ink : 'var(--color-border-primary-outline)' }) };
};

interface PressProps {
  /** size, color, variant, pill, uniform, block and iconSize of a button. */
  look: Record<string, unknown>;
  label?: string | undefined;
  loading?: boolean;
  disabled?: boolean;
  onClick(): void;
  children: ReactNode;
}

/** A button. While it loads it keeps the focus, which a disabled one would lose; its owner ignores a second click. */
export function Press({ look, label, loading, disabled, onClick, children }: PressProps): ReactNode {
  const size = oneOf(look.size, SIZES, 'md');
  const color = oneOf(look.color, COLORS, 'secondary');
  const variant = oneOf(look.variant, VARIANTS, 'outline');
  const icon = oneOf(look.iconSize, ICON_SIZES, (ICON_OF[size] ?? 'md') as 'md');
  const style = { ...measures({ size, pill: look.pill !== false }), ...paint(color, variant), '--icon': `var(--control-icon-size-${icon})` };
  return (
    <button
      type="button"
      className="ckw-button"
      style={style as CSSProperties}
      data-uniform={look.uniform === true ? '' : undefined}
      data-block={look.block === true ? '' : undefined}
      disabled={disabled}
      aria-busy={loading || undefined}
      aria-label={label}
      onClick={onClick}
    >
      <span>{children}</span>
    </button>
  );
}
