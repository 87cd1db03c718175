declare module 'virtual:lucide' {
  /** Of each first letter of Lucide's names: each name, and the data of the path that draws it. */
  export const LETTERS: Record<string, () => Promise<{ default: Record<string, string> }>>;
}
