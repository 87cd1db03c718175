import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin, type UserConfig } from 'vite';
import { lucide } from './lucide';
import { markedLexer } from './marked-lexer';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const outDir = here('../runtime/server/web');

/** Write licenses.txt: the packages of the bundle, each with its licence. */
function licenses(): Plugin {
  return {
    name: 'licenses',
    generateBundle() {
      // Style sheets and drawings come without a module of their own.
      const folders = new Set(['tailwindcss', '@iconify-json/lucide'].map((name) => here(`./node_modules/${name}`)));
      for (const id of this.getModuleIds()) {
        const [folder] = /^\0?.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? [];
        if (folder) folders.add(folder.replace(/^\0/, ''));
      }
      const texts = [...folders].map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Record<string, string>;
        const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
        // The package of the drawings names their licence without its text.
        const path = name === '@iconify-json/lucide' ? here('./licenses/lucide.txt') : `${folder}/${file}`;
        const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : `License: ${license}`;
        return `${name} ${version} (${license})\n\n${text.replaceAll('\r\n', '\n')}\n`;
      });
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: [...new Set(texts)].sort().join(`\n${'-'.repeat(80)}\n\n`) });
    },
  };
}

const PLAIN_IMPORT = '\0plain-import';

/** The page has copies of what it shares with the frame: a chunk of both is one more request before the first view. */
function copies(): Plugin {
  return {
    name: 'copies',
    enforce: 'pre',
    async resolveId(source, importer = '') {
      // Vite's helper for dynamic imports, too; those of the page have no style sheets, which it loads before them.
      if (importer.endsWith('?page') && source.endsWith('vite/preload-helper.js')) return PLAIN_IMPORT;
      if (!/\/src\/login\.ts$|\?page$/.test(importer) || !/\/(?:language|en)$/.test(source)) return null;
      const found = await this.resolve(source, importer.replace('?page', ''), { skipSelf: true });
      return found && `${found.id}?page`;
    },
    load: (id) => (id === PLAIN_IMPORT ? 'export const __vitePreload = (load) => load();' : null),
  };
}

// The server's package data. The names of the entries are fixed (the server sends them with an ETag), all others
// contain a hash of their content. The build is deterministic: no time, no path, no random name.
const pages: UserConfig = {
  plugins: [react(), tailwindcss(), markedLexer(), lucide(), copies(), licenses()],
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
