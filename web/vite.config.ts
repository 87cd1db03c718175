import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin, type UserConfig } from 'vite';
import { markedLexer } from './marked-lexer';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const outDir = here('../runtime/server/web');

/** Write licenses.txt: the packages of the bundle, each with its licence. */
function licenses(): Plugin {
  return {
    name: 'licenses',
    generateBundle() {
      // Style sheets import others without a module of their own.
      const folders = new Set(['tailwindcss'].map((name) => here(`./node_modules/${name}`)));
      for (const id of this.getModuleIds()) {
        const [folder] = /^\0?.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? [];
        if (folder) folders.add(folder.replace(/^\0/, ''));
      }
      const texts = [...folders].map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Record<string, string>;
        const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
        const text = file ? readFileSync(`${folder}/${file}`, 'utf8').trim() : `License: ${license}`;
        return `${name} ${version} (${license})\n\n${text.replaceAll('\r\n', '\n')}\n`;
      });
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: [...new Set(texts)].sort().join(`\n${'-'.repeat(80)}\n\n`) });
    },
  };
}

// The server's package data. The names of the entries are fixed (the server sends them with an ETag), all others
// contain a hash of their content. The build is deterministic: no time, no path, no random name.
const pages: UserConfig = {
  plugins: [react(), tailwindcss(), markedLexer(), licenses()],
  build: {
    outDir,
    emptyOutDir: true,
    rollupOptions: { input: { frame: here('./frame.html'), page: here('./page.html') } },
  },
};

// A classic script without imports: a page loads it by <script src>.
const element: UserConfig = {
  build: {
    outDir,
    emptyOutDir: false,
    lib: { entry: here('./src/element/element.ts'), formats: ['iife'], name: 'chatkitRuntime', fileName: () => 'element.js' },
  },
};

export default defineConfig(({ mode }) => ({
  base: './',
  publicDir: false,
  ...(mode === 'element' ? element : pages),
  build: {
    target: 'es2022',
    // An inline script or data URL would need an exception in the Content-Security-Policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    ...(mode === 'element' ? element : pages).build,
  },
}));
