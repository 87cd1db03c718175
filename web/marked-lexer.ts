import type { Plugin } from 'vite';

interface Named {
  name?: string;
}

/**
 * Of marked, keep the lexer. Its one module also makes a parser when it is loaded (3 KB compressed), so that a bundler
 * cannot leave the classes out that we do not use: this drops what is done at its top level, and all other exports.
 */
export const markedLexer = (): Plugin => ({
  name: 'marked-lexer',
  transform(code, id) {
    if (!/\/marked\/lib\/marked\.esm\.js$/.test(id)) return null;
    let lexer: string | undefined;
    const kept = this.parse(code).body.filter((statement) => {
      if (statement.type === 'ExportNamedDeclaration') {
        const found = statement.specifiers.find(({ exported }) => (exported as Named).name === 'Lexer');
        lexer = (found?.local as Named | undefined)?.name;
        return false;
      }
      if (statement.type !== 'VariableDeclaration') return statement.type !== 'ExpressionStatement';
      // An instance of a class of its own (not of one of the platform's), and other names for what there is.
      return !statement.declarations.every(
        ({ init }) =>
          init?.type === 'MemberExpression' ||
          init?.type === 'Identifier' ||
          (init?.type === 'NewExpression' && !(String((init.callee as Named).name) in globalThis)),
      );
    }) as unknown as { start: number; end: number }[];
    if (!lexer) return this.error('marked exports no Lexer as it did: look at marked-lexer.ts');
    const statements = kept.map(({ start, end }) => code.slice(start, end));
    return { code: [...statements, `export { ${lexer} as Lexer };`].join('\n'), map: null };
  },
});
