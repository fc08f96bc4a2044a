/** What a button of the toolbar says and shows; `off`: what it switches is off. */
export function label (button: HTMLButtonElement, off: boolean, text: string, icon: string): void {
  button.toggleAttribute('data-off', off)
  button.title = text
  setLabel(button, text)
  button.querySelector('use')?.setAttribute('href', `#icon-${icon}`)
}

export function setLabel (button: HTMLButtonElement, text: string): void {
  const span = button.querySelector('.label')
  if (span !== null) span.textContent = text
}
