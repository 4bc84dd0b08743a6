// Enlarges a gallery row: two of its images on top of each other, and a slider that says how much of each is seen.
const dialog = document.getElementById("compare");
const [left, right] = dialog.querySelectorAll("select");
const [under, over] = dialog.querySelectorAll("img");
const slider = dialog.querySelector("input");

function show() {
  for (const [image, choice] of [[under, right], [over, left]]) {
    image.src = choice.value;
    image.alt = choice.selectedOptions[0].text;
  }
  over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
}

function open(button) {
  const images = [...button.closest(".strip").querySelectorAll("img")];
  const chosen = images.indexOf(button.querySelector("img"));
  for (const choice of [left, right]) {
    choice.replaceChildren(...images.map((image) => new Option(image.dataset.kind, image.src)));
  }
  left.selectedIndex = 0;
  right.selectedIndex = chosen || Math.min(1, images.length - 1);
  slider.value = 50;
  show();
  dialog.showModal();
}

for (const button of document.querySelectorAll(".strip button")) {
  button.addEventListener("click", () => open(button));
}
for (const control of [left, right, slider]) {
  control.addEventListener("input", show);
}
