/**
 * Makes the commands of a runbook ready to paste: the address of this Luna and the words that the
 * link names are filled in, and each block has a button that copies it.
 */

/** Words are pasted into a shell: a link must not smuggle a command into one. */
const SAFE = /^[\w:.-]{1,100}$/;

const words = new Map(
  [...new URLSearchParams(location.search)].filter(([, value]) => SAFE.test(value)),
);

function filled(command: string): string {
  return command.replace(/<(\w+)>/g, (word, name: string) => words.get(name) ?? word);
}

for (const origin of document.querySelectorAll("[data-origin]"))
  origin.textContent = location.origin;

for (const block of document.querySelectorAll("pre")) {
  const code = block.querySelector("code");
  if (code === null) continue;
  if (code.childElementCount === 0) code.textContent = filled(code.textContent);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", () => void copy(code, button));
  block.before(button);
}

async function copy(code: HTMLElement, button: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(code.textContent.trim());
    button.textContent = "Copied";
  } catch {
    // Without permission the text is selected instead.
    getSelection()?.selectAllChildren(code);
    button.textContent = "Selected: copy it";
  }
}
