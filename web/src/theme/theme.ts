/** The theme of the options as CSS variables of the document. Whatever is not set is the design system's. */
import type { ColorScheme, FontObject, ThemeOption } from '@openai/chatkit';

/** The lightness of the design system's grays, in percent, from the surface to the text; dark ones run the other way. */
const GRAYS = {
  light: { 0: 100, 25: 99, 50: 97.6, 75: 95.3, 100: 92.9, 150: 87.5, 200: 80.4, 250: 72.5, 300: 68.6, 350: 62.4, 400: 53, 450: 46.3, 500: 36.5, 550: 31, 600: 25.5, 650: 22.4, 700: 18.8, 750: 15.7, 800: 12.9, 850: 11, 900: 9.4, 925: 8.6, 950: 7.5, 975: 6.3, 1000: 5.1 },
  dark: { 0: 5.1, 25: 6.3, 50: 7.5, 75: 8.6, 100: 9.4, 150: 11, 200: 12.9, 250: 15.7, 300: 18.8, 350: 22.4, 400: 25.5, 450: 31, 500: 36.5, 550: 46.3, 600: 60, 650: 62.4, 700: 68.6, 750: 72.5, 800: 80.4, 850: 86.3, 900: 92.9, 925: 95.3, 950: 95.3, 975: 97.6, 1000: 100 },
} as const;

const RADII = {
  pill: { control: '9999px', card: '1rem', composer: '1.75rem', bubble: '1.25rem' },
  round: { control: '0.75rem', card: '0.875rem', composer: '1rem', bubble: '1rem' },
  soft: { control: '0.5rem', card: '0.5rem', composer: '0.625rem', bubble: '0.625rem' },
  sharp: { control: '0px', card: '0px', composer: '0px', bubble: '0px' },
} as const;

/** The design system's radii in rem, which a theme scales. */
const STEPS = { '2xs': 0.125, xs: 0.25, sm: 0.375, md: 0.5, lg: 0.625, xl: 0.75, '2xl': 1, '3xl': 1.25, '4xl': 1.5 };
const SCALES = { pill: 1, round: 0.85, soft: 0.5, sharp: 0 } as const;

const GAPS = { compact: '0.75', normal: '1', spacious: '1.35' } as const;

/** Variables of the page that are the design system's under another name: a page may have a `--color-text` of its own. */
const TOKENS: Record<string, string> = {
  '--ck-text': '--color-text',
  '--ck-text-secondary': '--color-text-secondary',
  '--ck-text-tertiary': '--color-text-tertiary',
  '--ck-border': '--color-border',
  '--ck-ring': '--color-ring',
  '--ck-font': '--default-font-family',
  '--ck-font-mono': '--default-mono-font-family',
};

let applied: string[] = [];
let fonts: FontFace[] = [];
let fontKey = '';

export function schemeOf(theme: ColorScheme | ThemeOption | undefined): ColorScheme {
  return (typeof theme === 'string' ? theme : theme?.colorScheme) === 'dark' ? 'dark' : 'light';
}

/** `variables` are the page's own, which count most. */
export function applyTheme(theme: ColorScheme | ThemeOption | undefined, variables: Record<string, string> = {}): void {
  const scheme = schemeOf(theme);
  const { typography, radius = 'pill', density = 'normal', color }: ThemeOption = typeof theme === 'object' ? theme : {};
  const root = document.documentElement;
  root.dataset.theme = scheme;
  const radii = RADII[radius] ?? RADII.pill;
  const values: Record<string, string | undefined> = {
    'color-scheme': scheme,
    'font-size': typography?.baseSize ? `${typography.baseSize}px` : undefined,
    '--font-sans': typography?.fontFamily,
    '--default-font-family': typography?.fontFamily,
    '--font-mono': typography?.fontFamilyMono,
    '--default-mono-font-family': typography?.fontFamilyMono,
    '--ck-radius-control': radii.control,
    '--ck-radius-card': radii.card,
    '--ck-radius-composer': radii.composer,
    '--ck-radius-bubble': radii.bubble,
    ...scaledRadii(SCALES[radius] ?? 1),
    '--ck-density': GAPS[density] ?? '1',
    ...grays(scheme, color?.grayscale),
    ...accents(scheme, color?.accent),
    ...surfaces(color?.surface),
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [TOKENS[name] ?? name, value])),
  };
  for (const name of applied) if (values[name] === undefined) root.style.removeProperty(name);
  applied = Object.keys(values).filter((name) => values[name] !== undefined);
  for (const name of applied) root.style.setProperty(name, values[name] as string);
  loadFonts(typography?.fontSources ?? []);
}

function scaledRadii(scale: number): Record<string, string> {
  return scale === 1 ? {} : Object.fromEntries(Object.entries(STEPS).map(([step, size]) => [`--radius-${step}`, `${size * scale}rem`]));
}

type Color = NonNullable<ThemeOption['color']>;

function grays(scheme: ColorScheme, option: Color['grayscale']): Record<string, string> {
  if (!option) return {};
  const { hue, tint, shade = 0 } = option;
  const entries = Object.entries(GRAYS[scheme]).map(([step, lightness]) => {
    // A shade moves the surfaces, and leaves the texts readable.
    const isSurface = Number(step) <= 300;
    const moved = isSurface ? Math.min(Math.max(lightness + shade * (scheme === 'light' ? -0.7 : -0.6), 0), 100) : lightness;
    return [`--gray-${step}`, tinted(hue, tint * 3, moved)];
  });
  return { ...(Object.fromEntries(entries) as Record<string, string>), '--alpha-base': `hsl(${hue} ${tint * 3}% ${scheme === 'light' ? 5 : 100}%)` };
}

/** A gray with a hue: as light to the eye as without it (HSL's yellows are not), so that each contrast stays what it is. */
function tinted(hue: number, saturation: number, lightness: number): string {
  const wanted = luminance(hsl(hue, 0, lightness));
  let [low, high] = [0, 100];
  for (let step = 0; step < 12; step += 1) {
    const middle = (low + high) / 2;
    if (luminance(hsl(hue, saturation, middle)) < wanted) low = middle;
    else high = middle;
  }
  return `hsl(${hue} ${saturation}% ${((low + high) / 2).toFixed(1)}%)`;
}

/** Red, green and blue, 0 to 1. */
function hsl(hue: number, saturation: number, lightness: number): number[] {
  const light = lightness / 100;
  const reach = (saturation / 100) * Math.min(light, 1 - light);
  return [0, 8, 4].map((offset) => {
    const turn = (offset + hue / 30) % 12;
    return light - reach * Math.max(-1, Math.min(turn - 3, 9 - turn, 1));
  });
}

function accents(scheme: ColorScheme, option: Color['accent']): Record<string, string> {
  if (!option) return {};
  const { primary, level } = option;
  const onAccent = (luminanceOf(primary) ?? 0) > 0.4 ? '#0d0d0d' : '#ffffff';
  const values: Record<string, string> = { '--ck-accent': primary, '--ck-on-accent': onAccent };
  // A pale accent is no color for texts.
  if (level >= 1 && contrastOf(luminanceOf(primary), scheme === 'light' ? 1 : 0.015) >= 4.5) values['--ck-link'] = primary;
  if (level === 2) values['--ck-bubble'] = `color-mix(in oklab, ${primary} 14%, var(--ck-background))`;
  if (level === 3) Object.assign(values, { '--ck-bubble': primary, '--ck-on-bubble': onAccent });
  return values;
}

function surfaces(option: Color['surface']): Record<string, string> {
  if (!option) return {};
  const { background, foreground } = option;
  const values: Record<string, string> = { '--ck-background': background };
  const contrast = contrastOf(luminanceOf(background), luminanceOf(foreground));
  // Pages use it for both: a color for texts, or the color of what lies above the background.
  values[contrast >= 3 ? '--color-text' : '--ck-surface'] = foreground;
  return values;
}

/** 1 to 21; of an unknown color 21. */
function contrastOf(one: number | null, other: number | null): number {
  return one === null || other === null ? 21 : (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

/** The relative luminance of any CSS color; null where there is no canvas, or the color is none. */
export function luminanceOf(color: string): number | null {
  const context = document.createElement('canvas').getContext('2d');
  if (!context || !CSS.supports('color', color)) return null;
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return luminance([...context.getImageData(0, 0, 1, 1).data].map((value) => value / 255));
}

function luminance(color: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = color.map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** By `FontFace`: a style element is against the policy. */
function loadFonts(sources: readonly FontObject[]): void {
  const key = JSON.stringify(sources);
  if (key === fontKey) return;
  fontKey = key;
  for (const font of fonts) document.fonts.delete(font);
  fonts = sources.map(({ family, src, weight, style, display, unicodeRange }) => {
    const descriptors: FontFaceDescriptors = { weight: String(weight ?? 'normal'), style: style ?? 'normal', display: display ?? 'auto' };
    if (unicodeRange) descriptors.unicodeRange = unicodeRange;
    return new FontFace(family, `url(${JSON.stringify(src)})`, descriptors);
  });
  for (const font of fonts) document.fonts.add(font);
}
