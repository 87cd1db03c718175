/** The language of the interface: texts that are loaded for it, and the platform's own formats. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { Texts } from './en';
import { makeLanguage, textsFor, valid, type Language } from './language';

export type { Language } from './language';

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
  const whole = Math.round(Math.max(seconds, 0));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (!minutes) return unit(rest, 'second');
  return rest ? `${unit(minutes, 'minute')} ${unit(rest, 'second')}` : unit(minutes, 'minute');
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
