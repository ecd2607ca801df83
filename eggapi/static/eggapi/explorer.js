// Swagger UI over our own description; the key stays in this page.

const place = document.getElementById("explorer");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});
