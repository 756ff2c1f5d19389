/** What the example takes from Vercel's package, which is a dependency of the example alone. */
declare module "@vercel/functions" {
  /** Holds the invocation that calls it awake until the promise settles; does nothing outside of one. */
  export function waitUntil(promise: Promise<unknown>): void;
}
