/** The generations of undici that are supported, as far as they load on this Node. */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

export type Undici = typeof import("undici");

const PACKAGES: Readonly<Record<number, string>> = { 6: "undici6", 7: "undici", 8: "undici8" };

/** Undici 8 needs what Node has since 22.19. */
export const UNDICIS: readonly { major: number; loads: boolean }[] = [6, 7, 8].map((undici) => ({
  major: undici,
  loads: undici < 8 || major > 22 || (major === 22 && minor >= 19),
}));

export async function loadUndici(version: number): Promise<Undici> {
  return (await import(PACKAGES[version] ?? "undici")) as Undici;
}
