"use strict";
// A link shows its document, and of the errors in it those of its class.
document.querySelector(".errors")?.addEventListener("click", (event) => {
  const link = event.target.closest("[data-document]");
  if (!link) return;
  const choice = document.querySelector(".contents select");
  if (choice) {
    choice.selectedIndex = Number(link.dataset.document);
    choice.dispatchEvent(new Event("change"));
  }
  const filters = document.querySelectorAll(".document")[link.dataset.document].querySelector(".filters");
  filters.elements.relation.value = "";
  filters.elements.query.value = `${link.dataset.error}:`;
  filters.dispatchEvent(new Event("input"));
});
