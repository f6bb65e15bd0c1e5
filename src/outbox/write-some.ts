import fs from "node:fs";

/** Resolves to the bytes that the system has taken, which may be fewer than there are. */
export function writeSome(descriptor: number, bytes: Buffer, start: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(descriptor, bytes, start, bytes.length - start, null, (error, written) => {
      if (error) reject(error);
      else resolve(written);
    });
  });
}
