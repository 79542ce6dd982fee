//! Operations on products: details, licenses, packages (6.2 to 6.6).

use crate::{
    AnswerProblem, License, LocalizedDetails, Operation, PackageSet, ProductDetails, ProductKey, StoreClient,
    StoreError, StorePackage, transport::Call,
};
use qm_store_model::lenient::Fields;
use reqwest::Method;
use serde_json::Value;

impl StoreClient {
    /// 6.2: what the Store tells about a product; `None` if it does not know it.
    pub async fn product_details(&self, key: &ProductKey) -> Result<Option<ProductDetails>, StoreError> {
        let operation = Operation::ProductDetails;
        let answer = self.product(operation, Method::GET, key, &[]).await;
        found(answer)?
            .map(|json| Ok(ProductDetails::read(object(operation, &json)?)))
            .transpose()
    }

    /// 6.3: the same in one language (`en-us`); `None` if there is nothing in that language. The answer may be in
    /// another language than asked for and says so.
    pub async fn localized_details(
        &self,
        key: &ProductKey,
        language: &str,
    ) -> Result<Option<LocalizedDetails>, StoreError> {
        let operation = Operation::LocalizedDetails;
        let answer = self
            .product(operation, Method::GET, key, &["LocalizedDetails", language])
            .await;
        found(answer)?
            .map(|json| Ok(LocalizedDetails::read(object(operation, &json)?)))
            .transpose()
    }

    /// 6.4: the offline license for the content of a main package; `None` if the product has none under that id,
    /// which is also how a product that is not offline-licensed may answer.
    pub async fn offline_license(
        &self,
        key: &ProductKey,
        content_id: &str,
    ) -> Result<Option<License>, StoreError> {
        let operation = Operation::OfflineLicense;
        let answer = self
            .product(operation, Method::POST, key, &["OfflineLicense", content_id])
            .await;
        let Some(json) = found(answer)? else {
            return Ok(None);
        };
        let license = License::read(object(operation, &json)?);
        let problem = AnswerProblem::Lacks("licenseBlob");
        license
            .map(Some)
            .ok_or(StoreError::BadAnswer { operation, problem })
    }

    /// 6.5: the packages of a product; `None` if it has none. Addresses inside lapse soon.
    pub async fn packages(&self, key: &ProductKey) -> Result<Option<PackageSet>, StoreError> {
        let operation = Operation::Packages;
        let answer = self.product(operation, Method::GET, key, &["Packages"]).await;
        found(answer)?
            .map(|json| Ok(PackageSet::read(object(operation, &json)?)))
            .transpose()
    }

    /// 6.6: one package with fresh addresses, also of its frameworks; `None` if it is no longer listed.
    pub async fn package(
        &self,
        key: &ProductKey,
        package_id: &str,
    ) -> Result<Option<StorePackage>, StoreError> {
        let operation = Operation::Package;
        let answer = self
            .product(operation, Method::GET, key, &["Packages", package_id])
            .await;
        let Some(json) = found(answer)? else {
            return Ok(None);
        };
        let problem = AnswerProblem::Lacks("packageId");
        StorePackage::read(&json)
            .map(Some)
            .ok_or(StoreError::BadAnswer { operation, problem })
    }

    async fn product(
        &self,
        operation: Operation,
        method: Method,
        key: &ProductKey,
        rest: &[&str],
    ) -> Result<Value, StoreError> {
        let mut segments = vec!["Products", &key.product_id, &key.sku_id];
        segments.extend(rest);
        let url = self.inner.endpoints.url(operation, &segments, &[])?;
        self.call(&Call {
            operation,
            method,
            url,
            body: None,
        })
        .await
        .map(|answer| answer.json)
    }
}

/// A 404 is an answer: there is none.
fn found(answer: Result<Value, StoreError>) -> Result<Option<Value>, StoreError> {
    match answer {
        Err(StoreError::NotFound { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn object(operation: Operation, json: &Value) -> Result<Fields<'_>, StoreError> {
    let problem = if json.is_null() {
        AnswerProblem::Empty
    } else {
        AnswerProblem::NotAnObject
    };
    Fields::of(json).ok_or(StoreError::BadAnswer { operation, problem })
}
