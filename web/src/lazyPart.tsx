/** Parts of the client that are loaded later. */
import { lazy, useState, type ComponentType, type ReactNode } from 'react';

/**
 * A component whose module is loaded when it is shown or by `load`, and the latter. Once loaded, it is drawn at once:
 * React's `lazy` shows the fallback of its boundary even then, and replaces fallbacks at most every 300 ms.
 */
export function lazyPart<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): [(props: P) => ReactNode, () => Promise<unknown>] {
  let loaded: ComponentType<P> | null = null;
  const loadOnce = async () => {
    const module = await load();
    loaded = module.default;
    return module;
  };
  const Waiting = lazy(loadOnce) as unknown as ComponentType<P>;
  function Part(props: P): ReactNode {
    // Chosen once: to replace one by the other would lose the state of the part.
    const [Shown] = useState<ComponentType<P>>(() => loaded ?? Waiting);
    return <Shown {...props} />;
  }
  return [Part, loadOnce];
}
