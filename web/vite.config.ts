import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type UserConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const outDir = here('../runtime/server/web');

// The server's package data. The names of the entries are fixed (the server sends them with an ETag), all others
// contain a hash of their content. The build is deterministic: no time, no path, no random name.
const pages: UserConfig = {
  plugins: [react(), tailwindcss()],
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
