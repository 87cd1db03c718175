/** The texts of a language, without React: the page's login uses them, too. */
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
export function textsFor(locale: string): (() => Promise<{ default: Partial<Texts> }>) | undefined {
  const { language, region, script } = new Intl.Locale(locale).maximize();
  const names = language === 'zh' ? [script === 'Hant' ? 'zh-Hant' : 'zh'] : [`${language}-${region}`, language];
  return names.map((name) => LOCALES[`./locales/${name}.ts`]).find(Boolean);
}

export function valid(locale: string | undefined): string {
  try {
    return new Intl.Locale(locale || navigator.language).toString();
  } catch {
    return 'en';
  }
}

/** The language of a locale, with its texts; in English while the server can't be reached. */
export async function loadLanguage(wanted: string | undefined): Promise<Language> {
  const locale = valid(wanted);
  const texts = await textsFor(locale)?.().then((loaded) => loaded.default, () => ({}));
  return makeLanguage(locale, texts ?? {});
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
