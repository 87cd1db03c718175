/** The language of the interface: texts that are loaded for it, and the platform's own formats. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { en, type TextKey, type Texts } from './en';

const LOCALES = import.meta.glob<{ default: Partial<Texts> }>('./locales/*.ts');
const RTL = new Set(['ar', 'fa', 'he', 'ur']);

type Values = Record<string, string | number>;
/** A key without its plural form. */
type PluralKey = TextKey extends infer K ? (K extends `${infer Base}_one` ? Base : never) : never;

export interface Language {
  /** A BCP 47 tag, for dates and numbers. */
  locale: string;
  direction: 'ltr' | 'rtl';
  t(key: TextKey | PluralKey, values?: Values): string;
}

/** The texts of the language that fits best: `pt-BR`, then `pt`; without any, English. */
function textsFor(locale: string): (() => Promise<{ default: Partial<Texts> }>) | undefined {
  const { language, region, script } = new Intl.Locale(locale).maximize();
  const names = language === 'zh' ? [script === 'Hant' ? 'zh-Hant' : 'zh'] : [`${language}-${region}`, language];
  return names.map((name) => LOCALES[`./locales/${name}.ts`]).find(Boolean);
}

function valid(locale: string | undefined): string {
  try {
    return new Intl.Locale(locale || navigator.language).toString();
  } catch {
    return 'en';
  }
}

export function makeLanguage(locale: string, texts: Partial<Texts>): Language {
  const plurals = new Intl.PluralRules(locale);
  const all = { ...en, ...texts } as Record<string, string>;
  return {
    locale,
    direction: RTL.has(new Intl.Locale(locale).language) ? 'rtl' : 'ltr',
    t(key, values = {}) {
      const text = all[key] ?? all[`${key}_${plurals.select(Number(values.count))}`] ?? all[`${key}_other`] ?? key;
      return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
    },
  };
}

const LanguageContext = createContext<Language>(makeLanguage('en', {}));

export function LanguageProvider({ locale: wanted, children }: { locale: string | undefined; children: ReactNode }): ReactNode {
  const locale = valid(wanted);
  // null: not there yet; a first view in English would change under the reader's eyes.
  const [texts, setTexts] = useState<Partial<Texts> | null>(() => (textsFor(locale) ? null : {}));
  useEffect(() => {
    let current = true;
    const load = textsFor(locale);
    const show = (loaded: Partial<Texts>): void => {
      if (current) setTexts(loaded);
    };
    if (!load) show({});
    else load().then((loaded) => show(loaded.default), () => show({}));
    return () => {
      current = false;
    };
  }, [locale]);
  const language = useMemo(() => makeLanguage(locale, texts ?? {}), [locale, texts]);
  useEffect(() => {
    document.documentElement.lang = language.locale;
    document.documentElement.dir = language.direction;
  }, [language]);
  return texts && <LanguageContext value={language}>{children}</LanguageContext>;
}

export function useLanguage(): Language {
  return useContext(LanguageContext);
}

export function formatBytes(bytes: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const step = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 3);
  const style = { style: 'unit', unit: units[step] as string, unitDisplay: 'short', maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, style).format(bytes / 1024 ** step);
}

/** `8 s`, `1 min 20 s`. */
export function formatDuration(seconds: number, locale: string): string {
  const unit = (value: number, name: string): string =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 }).format(value);
  if (seconds < 60) return unit(Math.max(seconds, 0), 'second');
  return `${unit(Math.floor(seconds / 60), 'minute')} ${unit(Math.round(seconds % 60), 'second')}`;
}

/** The time of today, the weekday of this week, else the date. */
export function formatWhen(iso: string, locale: string, now = new Date()): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '';
  const days = (now.getTime() - date.getTime()) / 86_400_000;
  if (date.toDateString() === now.toDateString()) return new Intl.DateTimeFormat(locale, { timeStyle: 'short' }).format(date);
  if (days < 6) return new Intl.DateTimeFormat(locale, { weekday: 'long' }).format(date);
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(date);
}
