// Runs first in each page and frame: notes when text arrives and when it is painted, on the clock that all of them share.
{
  const now = () => performance.timeOrigin + performance.now();
  const notes = { arrived: {}, painted: {}, shownAt: 0 };
  globalThis.notes = notes;
  const words = (text) => text.match(/word\d\d/g) ?? [];
  const read = ReadableStreamDefaultReader.prototype.read;
  ReadableStreamDefaultReader.prototype.read = async function (...args) {
    const result = await read.apply(this, args);
    const at = now();
    if (result.value instanceof Uint8Array)
      for (const word of words(new TextDecoder().decode(result.value))) notes.arrived[word] ??= at;
    return result;
  };
  // A message that is posted in a frame's callback comes after the frame is painted.
  const afterPaint = (call) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => call(now());
      port2.postMessage(null);
    });
  };
  const seen = new Set();
  const look = () => {
    const fresh = words(document.body?.textContent ?? '').filter((word) => !seen.has(word));
    for (const word of fresh) seen.add(word);
    if (fresh.length) afterPaint((at) => fresh.forEach((word) => (notes.painted[word] = at)));
  };
  new MutationObserver(look).observe(document, { childList: true, characterData: true, subtree: true });
  const shown = () => afterPaint(() => (notes.shownAt ||= performance.now()));
  addEventListener('chatkit.ready', shown, true);
  addEventListener('shown', shown);
}
