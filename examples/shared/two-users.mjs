/** Two users who ask at the same time. */

/** @param {string} url where the app answers */
export async function askAsTwo(url) {
  await Promise.all(
    ["ann", "bob"].map(async (user) => {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "x-user": user, "x-session": `session-of-${user}` },
        body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }] }),
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      await response.text();
    }),
  );
}
