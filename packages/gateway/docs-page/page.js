// Asks for a token, reads the description with it, and hands it to the explorer. The token is kept in this module's memory alone.
const form = document.querySelector("#ask");
const input = document.querySelector("#token");
const problem = document.querySelector("#problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const token = input.value.trim();
  try {
    const answer = await fetch("openapi.json", { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) {
      problem.textContent = await whyNot(answer);
      return;
    }
    await show(await answer.json(), token);
  } catch (error) {
    problem.textContent = `The gateway could not be asked: ${error instanceof Error ? error.message : error}`;
  }
});

async function whyNot(answer) {
  const { detail = `Status ${answer.status}.`, reasons = [] } = await answer.json().catch(() => ({}));
  return [detail, ...reasons].join(" ");
}

async function show(description, token) {
  await customElements.whenDefined("openapi-explorer");
  input.value = "";
  const explorer = document.createElement("openapi-explorer");
  for (const name of ["hide-server-selection", "hide-authentication", "use-path-in-nav-bar"])
    explorer.setAttribute(name, "true");
  // The address that this page was asked at: a gateway may be reached at several, and behind a proxy.
  const server = new URL(".", location.href).href.replace(/\/$/, "");
  explorer.setAttribute("server-url", server);
  form.replaceWith(explorer);
  await explorer.updateComplete;
  await explorer.loadSpec({ ...description, servers: [{ url: server }] });
  await explorer.setAuthenticationConfiguration("token", { token });
}
