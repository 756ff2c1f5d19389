/** The package's version, which names the default kit's place on `globalThis`. */
export const VERSION: string = "0.1.0";

/** Copies of one major version share a default kit. */
export const MAJOR: string = VERSION.split(".")[0]!;
