import { byId } from "./dom.ts";

/** Where files are picked or dropped. */
export function watchPicks(onFiles: (files: readonly File[]) => void): void {
  const input = byId("files", HTMLInputElement);
  input.addEventListener("change", () => {
    onFiles([...(input.files ?? [])]);
    // The same file may be picked again.
    input.value = "";
  });
  const zone = byId("drop", HTMLLabelElement);
  for (const type of ["dragenter", "dragover"]) {
    zone.addEventListener(type, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
  // A file that is dropped beside the zone must not replace the page.
  for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
}
