import { Component, type ErrorInfo, type ReactNode } from 'react';

interface BoundaryProps {
  fallback: ReactNode;
  onError(error: Error, info: ErrorInfo): void;
  children: ReactNode;
}

/** What can't be drawn takes nothing else with it. */
export class Boundary extends Component<BoundaryProps, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: Error, info: ErrorInfo): void {
    this.props.onError(error, info);
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.fallback : this.props.children;
  }
}
