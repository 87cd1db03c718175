import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vite';
import client from '../vite.config';

// The gallery with the client's own settings; `--outDir` says where to.
export default mergeConfig(client({ mode: 'pages', command: 'build' }), {
  root: fileURLToPath(new URL('.', import.meta.url)),
  build: { rollupOptions: { input: fileURLToPath(new URL('./index.html', import.meta.url)) } },
});
